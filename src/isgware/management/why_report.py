"""`Why`: the result of `why`, as an object and as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..formatting import duration, expiry, printable

Pairs = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Why:
    """What would happen to a request. ``str()`` of it is for people.

    ``outcome`` is what ``X-ISG-Cache`` would say, or PASS where it would be absent; ``detail`` as
    in ``Cache-Status``. ``headers`` and ``cookies`` are those in the key, with the request's
    values; ``refused`` says why the page was not stored when it was last tried, ``reads`` what the
    page's render asked of its visitor, and where, ``depends`` what it shows of the database,
    ``unseen`` what else it looked at, of which no change tells: the time, and caches of the app's,
    ``filled`` what is put into it for each visitor, with the number of places, ``holes`` the names
    of those that would be filled for this visitor, in the page or in the browser.
    Times in seconds: ``expires`` is the time left until the page is expired, ``None`` if it never
    is, ``retry`` until it is tried again, ``interval`` what an `Adaptive` lifetime has come to.
    ``restored``: the number of the version that the page was restored to.
    """

    url: str
    method: str
    outcome: str
    detail: str = ""
    follows: str = ""
    decided_by: str = ""
    remedy: str = ""
    route: str = ""
    declared_by: tuple[str, ...] = ()
    policy: str = ""
    query_kept: tuple[str, ...] = ()
    query_dropped: tuple[str, ...] = ()
    headers: Pairs = ()
    cookies: Pairs = ()
    key: str = ""
    build_id: str = ""
    state: str = ""
    status: int | None = None
    age: float | None = None
    ttl: float | None = None
    expires: float | None = None
    interval: float | None = None
    restored: int = 0
    tags: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()
    holes: tuple[str, ...] = ()
    failures: int = 0
    last_error: str = ""
    retry: float | None = None
    refused: str = ""
    reads: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        lines = [f"{self.outcome}{detail}: {self.method} {self.url}", self.follows]
        lines += [f"  {name:<11} {value}" for name, value in self._rows() if value]
        return "\n".join(map(printable, lines))

    def _rows(self) -> Iterator[tuple[str, str]]:
        yield "decided by", self.decided_by
        yield "remedy", self.remedy
        yield "route", f"{self.route} ({', '.join(self.declared_by)})" if self.route else ""
        yield "policy", self.policy
        yield "query", "&".join(self.query_kept)
        yield "left out", "&".join(self.query_dropped)
        yield "headers", _shown(self.headers)
        yield "cookies", _shown(self.cookies)
        yield "state", self.state and f"{self.state}{self._times()}"
        yield "restored", f"version {self.restored}, until told otherwise" if self.restored else ""
        yield "interval", f"{duration(self.interval)}, adaptive" if self.interval else ""
        yield "tags", ", ".join(self.tags)
        yield "filled with", ", ".join(self.filled)
        yield "holes", ", ".join(self.holes)
        yield "build", self.build_id
        yield "failures", f"{self.failures}: {self.last_error}" if self.failures else ""
        yield "next try", f"in {duration(self.retry)}" if self.retry else ""
        yield "reads", "; ".join(self.reads)
        yield "depends on", shortened(self.depends)
        yield "unseen", "; ".join(self.unseen)
        yield "last time", self.refused

    def _times(self) -> str:
        if self.age is None:
            return ""
        ttl = "until told" if self.ttl is None else duration(self.ttl)
        return f", age {duration(self.age)}, ttl {ttl}, {expiry(self.expires)}"


def shortened(lines: Sequence[str], most: int = 20) -> str:
    """On one line, if they are not too many."""
    more = f"; and {len(lines) - most} more" if len(lines) > most else ""
    return "; ".join(lines[:most]) + more


def _shown(pairs: Pairs) -> str:
    return ", ".join(
        f"{name}: absent" if value is None else f"{name}={value}" for name, value in pairs
    )
