"""A site as people write them, bare and with isgware in front: hit rates and CPU of page views.

The site is ``examples/existing_site``: login, a comment form on every post, a basket, messages, a
CSP with nonces. Of its visitors 80 % are anonymous, 8 % write comments, 7 % fill a basket and 5 %
have logged in before. All forms are sent with the token that their page had, and every answer is
compared with the bare site's. A tenth of a second passes with each act, for the pages' lifetimes.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.kit.people import Meter, Seen, visits
from bench.kit.report import Column, Report, options
from bench.kit.stores import TIMEOUT

PEOPLE: Final = 800
#: That pass with each act: the site has ten visits a second.
SECONDS: Final = 0.1
FROM_STORE: Final = frozenset({"HIT", "STALE"})


class Clock:
    """Moved by hand, from when the benchmark began."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Run:
    """What one site answered, and the CPU seconds that it took, background renders included."""

    seen: list[Seen]
    seconds: float

    def views(self) -> list[Seen]:
        return [seen for seen in self.seen if not seen.form]

    def forms(self) -> list[Seen]:
        return [seen for seen in self.seen if seen.form]

    def rate(self, *, declared: bool = False, own: bool = True) -> float:
        """Views from the store in percent: of all, or of declared routes, or of these by visitors
        of whom the page shows nothing of their own."""
        some = [
            seen
            for seen in self.views()
            if (seen.declared or not declared) and (own or not seen.own)
        ]
        return 100 * sum(seen.state in FROM_STORE for seen in some) / len(some)

    def per_view(self) -> float:
        """Milliseconds of CPU for a page view, forms and all else included."""
        return 1e3 * self.seconds / len(self.views())

    def differing(self, bare: Run) -> list[tuple[Seen, Seen]]:
        pairs = list(zip(self.seen, bare.seen, strict=True))
        return [(one, other) for one, other in pairs if one.answer != other.answer]


def run(make: Callable[..., Any], people: int, **options: Any) -> Run:
    """Let everybody visit a new site that ``make`` returns."""
    from werkzeug.test import Client

    clock = Clock()
    with tempfile.TemporaryDirectory() as directory:
        config = {"SHOP_DB": f"{directory}/comments.sqlite", "SECRET_KEY": "bench" * 8}
        if options:
            options |= {
                "store": f"file:{directory}/store",
                "clock": clock,
                "backend_timeout": TIMEOUT,
            }
        app = make(config, **options)
        meter = Meter(app.wsgi_app)
        all_visits = visits(lambda: Client(meter), people)
        seen = next(all_visits)  # members log in; what is imported and compiled first
        gc.collect()
        meter.seconds, asking, everything = 0.0, time.thread_time(), time.process_time()
        for some in all_visits:
            seen += some
            clock.now += SECONDS
        if "isgware" in app.extensions:
            app.extensions["isgware"].close()
        behind = (time.process_time() - everything) - (time.thread_time() - asking)
    return Run(seen, meter.seconds + behind)


def steps() -> dict[str, Callable[[int], Run]]:
    """The site, and what has been put in front of it, by name."""
    from examples.existing_site import steps as made

    return {
        "bare": lambda people: run(made.bare, people),
        "ISG(app, revalidate=60)": lambda people: run(made.one_line, people, enabled=True),
        "with decorators": lambda people: run(made.decorated, people, enabled=True),
        "with two holes": lambda people: run(made.with_holes, people, enabled=True),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = options("existing_site", __doc__)
    parser.add_argument("--people", type=int, default=PEOPLE, help=f"visitors; default {PEOPLE}")
    chosen = parser.parse_args(arguments)
    saved: Path | None = chosen.save
    report = Report(
        "existing_site", "An existing site, bare and wrapped", saved,
        ("Flask", "Flask-WTF", "Flask-Login", "Jinja2"),
    )  # fmt: skip
    runs = {name: made(chosen.people) for name, made in steps().items()}
    bare = runs["bare"]
    rates, costs = [], []
    for name, one in runs.items():
        differing = one.differing(bare)
        for mine, theirs in differing[:3]:
            report.say(f"{name}: {mine.what} is {mine.answer[:4]}, bare {theirs.answer[:4]}")
        forms = one.forms()
        good = sum(seen.good for seen in forms)
        rates.append(
            (
                name, one.rate(), one.rate(declared=True), one.rate(declared=True, own=False),
                f"{good:,} of {len(forms):,}", f"{len(differing):,} of {len(one.seen):,}",
            )
        )  # fmt: skip
        costs.append((name, one.per_view(), one.seconds / bare.seconds))
    report.table(
        (
            "", Column("all views, %", ".1f"), Column("declared pages, %", ".1f"),
            Column("with nothing of the visitor's own, %", ".1f"), Column("forms that worked"),
            Column("answers that differ"),
        ),
        rates, "rates", f"{len(bare.views()):,} page views of {chosen.people:,} visitors: "
        "served from the store",
    )  # fmt: skip
    report.table(
        ("", Column("ms per page view", ".2f"), Column("x bare", ".2f")),
        costs, "cpu", "CPU of the whole site",
    )  # fmt: skip
    report.close()
    if bad := [seen.what for one in runs.values() for seen in one.seen if not seen.good]:
        raise SystemExit(f"Answers that are not as they should be: {bad[:5]}")


if __name__ == "__main__":
    main()
