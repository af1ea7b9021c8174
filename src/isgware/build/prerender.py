"""Building: all known pages are rendered before the first visit.

The paths come from *sources*, one for each route, read lazily: its own URL if that needs no
arguments, and what ``paths`` lists. They are cut into batches that take about a tenth of a second,
which a group of workers renders; the report keeps counts of the results and the failures. Memory
grows with the number of pages only by a digest of each, to detect duplicates, up to a limit.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from ..core.hosts import normal_host
from ..core.local_path import local_path
from ..errors import ConfigurationError
from ..option_checks import HOST
from ..render_context import current
from ..routing.declared_paths import Listing, Unusable, wrong_with
from ..routing.seen_paths import Seen
from .batch import Renderer
from .build_report import Made, Report, RouteReport
from .inventory import inventory
from .page_targets import Batch, Origin
from .workers import BuildWorkers, NoWorkersLeft, Render, Threads

if TYPE_CHECKING:
    from ..runtime import Runtime

OnProgress = Callable[[Report], object]
Warm = tuple[str, Iterator[str | Unusable]]
StartWorkers = Callable[[Render, int, float], BuildWorkers]
#: Target duration of a batch in seconds, and the largest number of pages in one.
_BATCH_SECONDS: Final = 0.1
_LARGEST: Final = 100


@dataclass(slots=True)
class Source:
    """Paths, and the line of the report that they belong to, unless a page belongs to another
    route. ``count``: how many there are, if known."""

    line: RouteReport
    items: Iterator[str | Unusable]
    count: Callable[[], int | None] = lambda: None
    explicit: bool = False
    lenient: bool = False
    #: URLs of the route without arguments; its list may name them, too.
    own: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to build. ``only``: a pattern with ``*`` for paths; ``stale``: leave what is fresh;
    ``fail_fast``: stop at the first failure."""

    only: str = ""
    stale: bool = False
    fail_fast: bool = False


def prerender(
    runtime: Runtime,
    paths: Iterable[str] | Callable[[], Iterable[str]] | None = None,
    *,
    jobs: int = 1,
    on_progress: OnProgress | None = None,
    options: Options = Options(),
    base_url: str | Sequence[str] = (),
    start_workers: StartWorkers | None = None,
    warm: Warm | None = None,
) -> Report:
    """See `isgware.ISG.prerender`. ``start_workers`` makes another group of workers than one of
    threads; ``warm`` are paths that a file gives, and what to call them."""
    settings, engine = runtime.settings, runtime.engine
    if type(jobs) is not int or jobs < 1:
        raise ConfigurationError(f"jobs={jobs!r}: say how many render side by side, 1 or more.")
    if not runtime.active:
        return Report(build_id=settings.build_id)
    origins = origins_of(runtime, [base_url] if isinstance(base_url, str) else base_url)
    renderer = Renderer(engine, origins, stale=options.stale)
    report = Report(build_id=settings.build_id)
    sources = declared(runtime, report)
    # Before paths= is called, which may open connections that no forked process should have.
    build_workers = (start_workers or Threads)(renderer.render, jobs, settings.render_timeout)
    try:
        if paths is not None or warm is not None:
            line = RouteReport("", warm[0] if warm else "(paths given)", "prerendered")
            named = _listed(line, paths) if warm is None else Source(line, warm[1], lenient=True)
            sources = [named]
        counts = [source.count() for source in sources]
        if not options.only and None not in counts:
            report.total = sum(count or 0 for count in counts) * len(origins)
        return Build(report, sources, options, on_progress, len(origins)).run(build_workers)
    finally:
        build_workers.close()


class Build:
    """One build."""

    def __init__(
        self,
        report: Report,
        sources: Sequence[Source],
        options: Options,
        on_progress: OnProgress | None,
        origins: int = 1,
    ) -> None:
        self.report = report
        self._origins = origins
        self._sources = sources
        self._options = options
        self._on_progress = on_progress
        self._lines = {line.name: line for line in report.routes}
        self._seen = Seen()
        self._size = 1
        self._held: list[Batch] = []
        self._began = time.perf_counter()

    def run(self, build_workers: BuildWorkers) -> Report:
        """Render all pages."""
        report = self.report
        try:
            for batch, made in build_workers.run(self._batches()):
                self._take(batch, made)
                report.seconds = time.perf_counter() - self._began
                if self._on_progress is not None:
                    self._on_progress(report)
        except NoWorkersLeft as error:
            report.stopped = str(error)
        report.seconds = time.perf_counter() - self._began
        return report

    def _batches(self) -> Iterator[Batch]:
        for number, source in enumerate(self._sources):
            paths: list[str] = []
            for path in self._paths(source):
                if self.report.stopped:
                    return
                paths.append(path)
                if len(paths) >= self._size:
                    yield Batch(number, tuple(paths), source.explicit, source.lenient)
                    paths.clear()
            if paths and not self.report.stopped:
                yield Batch(number, tuple(paths), source.explicit, source.lenient)
        while self._held and not self.report.stopped:
            yield self._held.pop()

    def _paths(self, source: Source) -> Iterator[str]:
        for item in source.items:
            if isinstance(item, Unusable):
                self._count(source.line, Made("failed", item.item, item.reason))
            elif self._wanted(item):
                spelt = _spelt(item)
                if self._seen.add(spelt):
                    yield item
                elif spelt in source.own:
                    source.own.discard(spelt)
                    if self.report.total:
                        self.report.total -= self._origins
                elif not source.lenient:
                    self._count(source.line, Made("failed", item, "listed twice"))

    def _wanted(self, path: str) -> bool:
        only = self._options.only
        return not only or fnmatchcase(local_path(path)[0], only)

    def _take(self, batch: Batch, found: list[Made]) -> None:
        line = self._sources[batch.source].line
        others = self._lines if batch.explicit or batch.lenient else {}
        seconds = 0.0
        held = tuple(dict.fromkeys(made.page for made in found if made.outcome == "held"))
        if held:  # they are being rendered elsewhere: look again when the rest is done
            self._held.append(dataclasses.replace(batch, paths=held, overtake=True))
        for made in found:
            if made.outcome != "held":
                self._count(others.get(made.route, line), made)
                seconds += made.seconds
        if not held:
            each = max(seconds / len(batch.paths), _BATCH_SECONDS / _LARGEST)
            self._size = max(1, min(2 * self._size, int(_BATCH_SECONDS / each)))

    def _count(self, line: RouteReport, made: Made) -> None:
        if not line.name and not line.pages:
            self.report.routes.append(line)  # pages of an unknown route
        self.report.count(line, made)
        if made.outcome == "failed" and self._options.fail_fast:
            self.report.stopped = "the first failure ends it (--fail-fast)"


def declared(runtime: Runtime, report: Report) -> list[Source]:
    """All declared routes, with their lines in ``report``, and a line for each other route."""
    planner = runtime.engine.planner
    sources = []
    for known in inventory(runtime.site, planner.routes):
        report.routes.append(known.line)
        if known.policy is not None and known.line.kind != "dynamic":
            plain = planner.paths.plain(known.name) if known.plain else []
            listing = planner.paths.listed(known.name, known.policy)
            items = itertools.chain(plain, listing)
            source = Source(known.line, items, functools.partial(_count, plain, listing))
            if known.policy.paths is not None:
                source.own.update(_spelt(path) for path in plain if isinstance(path, str))
            sources.append(source)
    return sources


def _spelt(path: str) -> str:
    """The same text for all spellings of a path."""
    return "?".join(local_path(path))


def _count(plain: Sequence[object], listing: Listing) -> int | None:
    length = listing.open().length
    return None if length is None else len(plain) + length


def _listed(line: RouteReport, paths: Any) -> Source:
    """The paths that the user names."""
    items = paths() if callable(paths) else paths
    if isinstance(items, str):
        raise ConfigurationError("prerender() takes a list of paths, not one: ['/posts/1'].")
    length = len(items) if isinstance(items, Sequence) else None
    return Source(line, (_checked(item) for item in items), lambda: length, explicit=True)


def _checked(item: Any) -> str | Unusable:
    reason = wrong_with(item) if isinstance(item, str) else "not a path"
    return Unusable(str(item), reason) if reason else item


def origins_of(runtime: Runtime, base_url: Sequence[str] = ()) -> list[Origin]:
    """Where to render for: ``base_url`` as given here, else as configured, else the host of the
    request in progress. What is given may have a path, under which the app is mounted.

    Raises `ConfigurationError` if nothing tells.
    """
    mounted = runtime.site.script_name
    found = [_origin(url, mounted) for url in base_url or runtime.settings.base_url]
    rendering = current.get()
    if not found and rendering is not None and rendering.host:
        scheme, host, script = rendering.origin
        found = [Origin(scheme, normal_host(scheme, host), script)]
    if not found:
        raise ConfigurationError(
            "The pages of which host? Set base_url='https://…', or give --base-url URL: without "
            "it each page is kept for the scheme and host that its visitors ask for."
        )
    for origin in found:
        if not runtime.engine.planner.trusts(origin.scheme, origin.host):
            raise ConfigurationError(
                f"{origin.host!r} is not among trusted_hosts, so its pages are never stored."
            )
    return found


def _origin(url: str, mounted: str) -> Origin:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and HOST.match(parts.netloc)
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment:
        raise ConfigurationError(f"{url!r} is no base URL: give one such as 'https://example.com'.")
    script = unquote_to_bytes(parts.path).decode("latin-1").rstrip("/")  # as servers pass it
    return Origin(parts.scheme, normal_host(parts.scheme, parts.netloc), script or mounted)
