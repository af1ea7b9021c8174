"""Pages that edits renew in vain: with ``dependencies=True``, and by table on the same edits.

The apps and the edits are those of the oracles in ``tests``. After each edit every page is rendered
anew, so that it is known which have changed. By table: every page that has read a table that was
written is renewed, as caches do that know only tables. Pages that depend on everything (``*``) are
counted apart. No store takes part: pages are kept with the names of what they read.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from bench.kit.report import Column, Report, options
from isgware.core.database_reads import DatabaseReads
from isgware.core.dependencies import EverythingChanged, Shape, Write
from isgware.core.dependency_names import names_of_writes, split
from isgware.management import record_writes
from isgware.render_context import Rendering, current, database

EDITS, SEED = 100, 7


@dataclass(frozen=True)
class App:
    """``pages``: by path, a call that renders one. ``edits``: by kind, a call that commits one."""

    pages: Mapping[str, Callable[[], str]]
    edits: Mapping[str, Callable[[random.Random], object]]


@dataclass
class Found:
    """By kind of edit; pages with ``*`` apart."""

    edits: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    in_vain: Counter[str] = field(default_factory=Counter)
    by_table: Counter[str] = field(default_factory=Counter)
    #: Of all kinds: pages with ``*`` that have changed, and that were renewed in vain.
    star_changed: int = 0
    star_in_vain: int = 0
    #: Pages that were kept although they have changed; there may be none.
    wrong: int = 0
    pages: int = 0


@dataclass(frozen=True)
class Kept:
    body: str
    names: frozenset[bytes]
    tables: frozenset[str]
    star: bool


class Pages:
    """The pages of an app, kept until a name of theirs is told."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._shapes: dict[str, set[Shape]] = {}
        self.told: list[Write] = []
        record_writes.listen(self._note)
        # What a page writes while it is rendered renews others, and is no edit's.
        quiet = [path for path in app.pages if not self._writes(path)]
        self.kept = {path: self._made(path) for path in quiet}

    def close(self) -> None:
        record_writes.unlisten(self._note)

    def _note(self, writes: list[Write]) -> None:
        self.told += writes

    def _writes(self, path: str) -> bool:
        self._made(path)
        wrote = bool(self.told)
        self.told.clear()
        return wrote

    def _made(self, path: str) -> Kept:
        reads = DatabaseReads()
        rendering, reading = current.set(Rendering(True)), database.set(reads)
        try:
            body = self._app.pages[path]()
        finally:
            current.reset(rendering)
            database.reset(reading)
        found = reads.finished(self._shapes)
        for shape in found.shapes:
            self._shapes.setdefault(shape.table, set()).add(shape)
        lines = found.texts.split("\n")
        star = lines[0].startswith("* ")
        tables = frozenset(line.partition(":")[0].partition("[")[0] for line in lines[star:])
        return Kept(body, frozenset(split(found.names)), tables, star)

    def after(self, kind: str, found: Found) -> None:
        """Count what an edit has renewed."""
        names = names_of_writes(self.told, self._shapes).keys()
        anything = any(isinstance(write, EverythingChanged) for write in self.told)
        tables = {write.table for write in self.told if not isinstance(write, EverythingChanged)}
        self.told.clear()
        for path, kept in self.kept.items():
            changed = self._app.pages[path]() != kept.body
            renewed = not kept.names.isdisjoint(names)
            found.wrong += changed and not renewed
            if kept.star:
                found.star_changed += changed
                found.star_in_vain += renewed and not changed
            else:
                by_table = anything or not kept.tables.isdisjoint(tables)
                found.changed[kind] += changed
                found.in_vain[kind] += renewed and not changed
                found.by_table[kind] += by_table and not changed
            if renewed or changed:
                self.kept[path] = self._made(path)


def run(app: App, edits: int, seed: int) -> Found:
    """Each kind of edit equally often."""
    chance, found, kinds = random.Random(seed), Found(), sorted(app.edits)
    pages = Pages(app)
    try:
        for number in range(edits):
            kind = kinds[number % len(kinds)]
            app.edits[kind](chance)
            found.edits[kind] += 1
            pages.after(kind, found)
    finally:
        pages.close()
    found.pages = len(pages.kept)
    return found


@contextlib.contextmanager
def sqlalchemy_app(directory: Path, seed: int) -> Iterator[App]:
    from isgware.sqlalchemy import recorder
    from tests.sqlalchemy.oracle import edits as shop_edits
    from tests.sqlalchemy.oracle import pages as shop_pages
    from tests.sqlalchemy.oracle import schema as shop_schema
    from tests.sqlalchemy.oracle import sites

    edits: Any = shop_edits  # tests are not typed
    pages: Any = shop_pages
    schema: Any = shop_schema
    bare: Any = sites.bare
    held = recorder.install()
    engine = schema.engine_for(directory / "shop")
    schema.fill(engine, seed)

    def page(show: Any) -> Callable[[], str]:
        return lambda: str(bare(engine, show))

    def edit(change: Any) -> Callable[[random.Random], object]:
        return lambda chance: change(engine, random.Random(chance.random()))

    yield App(
        {path: page(show) for path, show in pages.pages(seed).items()},
        {kind: edit(change) for kind, change in edits.EDITS.items()},
    )
    engine.dispose()
    del held


@contextlib.contextmanager
def django_app(directory: Path, seed: int) -> Iterator[App]:
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(directory / "newsroom")}
        },
        INSTALLED_APPS=["tests.django.newsroom"], DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )  # fmt: skip
    django.setup()
    from django.db import connection

    from isgware.django import recorded_queries
    from tests.django.newsroom import edits, models, pages

    with connection.schema_editor() as editor:
        models.create_tables(editor)
    chance, new_post = random.Random(seed), cast(Any, edits).new_post
    for number in range(1, 4):
        models.Author.objects.create(name=f"a{number}")
        models.Topic.objects.create(code=f"T{number}", label=f"l{number}")
        for _ in range(3):
            new_post(chance).save()
    recorded_queries.record_queries((), {}, lambda: None)

    def page(name: str, number: int) -> Callable[[], str]:
        return lambda: repr(pages.PAGES[name](number))

    yield App(
        {f"/{name}/{number}": page(name, number) for name in pages.PAGES for number in (1, 2, 3)},
        dict(edits.EDITS),
    )
    recorded_queries.stop_recording()


APPS: Final = {"SQLAlchemy": sqlalchemy_app, "Django": django_app}


def table(report: Report, name: str, found: Found) -> None:
    rows = [
        (kind, found.edits[kind], found.changed[kind], *_shares(found, kind))
        for kind in sorted(found.edits)
    ]
    changed = found.changed.total()
    rows.append((
        "all kinds", found.edits.total(), changed, found.in_vain.total() / max(1, changed),
        found.by_table.total() / max(1, changed),
    ))  # fmt: skip
    head = (
        f"{name}, {found.pages} pages", "edits", "pages changed", Column("in vain", ".2f"),
        Column("by table", ".2f"),
    )  # fmt: skip
    report.table(head, rows, name.lower())
    report.say(
        f"Pages with *: {found.star_changed} changed, {found.star_in_vain} renewed in vain. "
        f"Kept although they changed: {found.wrong}."
    )


def _shares(found: Found, kind: str) -> tuple[float | None, float | None]:
    """Pages renewed in vain for each that has changed."""
    if not (changed := found.changed[kind]):
        return None, None
    return found.in_vain[kind] / changed, found.by_table[kind] / changed


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("dependencies_in_vain", __doc__)
    parser.add_argument("--edits", type=int, default=EDITS, help=f"of each app (default: {EDITS})")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--app", choices=APPS, action="append", help="this one alone")
    chosen = parser.parse_args(arguments)
    about = "Pages renewed in vain for each page that has changed"
    report = Report("dependencies_in_vain", about, chosen.save, ("Django", "SQLAlchemy"))
    wrong = 0
    for name in chosen.app or APPS:
        with (
            tempfile.TemporaryDirectory() as directory,
            APPS[name](Path(directory), chosen.seed) as app,
        ):
            found = run(app, chosen.edits, chosen.seed)
            table(report, name, found)
            wrong += found.wrong
    report.close()
    if wrong:
        raise SystemExit(f"{wrong} pages were kept although they changed.")


if __name__ == "__main__":
    main()
