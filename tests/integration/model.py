"""What a visitor may see: the model that random operations are held against.

Theory. All processes run on one machine, so one monotonic clock orders everything: when a visit
began and ended, when a call that invalidates began and returned, and, written on each page, when
its render began. A call takes effect at some moment between its begin and its return. So for a
visit that began after the return, a render that must have seen the call began after its *begin*:

    label           must have begun after
    BYPASS          the visit's own begin: the app's own answer
    STALE           every purge, and every `regenerate` of just this page
    anything else   these, and every revalidation

"After the return" is at once in the process that was called, and on one host; between hosts it is
``slack`` seconds later. What did not return, or raised, may have had an effect or none: it obliges
nobody. Three further rules: no page is torn, of another URL or of another's cookie; a HIT is within
its lifetime; and no process goes back to an older render of a page. (Of renders that overlap
because somebody asked for one by name, with `regenerate`, either may come to be the newer.)

A store that loses its table in an *outage* has two exceptions (docs/failure.md). While it lasts
only the further rules hold, and BYPASS. After it, what was said before its end obliges only pages
that are not STALE; those must be of the time after it began.
"""

from __future__ import annotations

import bisect
import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

LABELS: Final = {"HIT", "STALE", "MISS", "REVALIDATED", "BYPASS"}
#: Seconds that a HIT may be old, by the first part of its path.
LIFETIMES: Final = {"page": 3600.0, "brief": 1.0}


@dataclass(frozen=True, kw_only=True)
class Said:
    """A call that returned. ``verb``: of `isgware.ISG`; ``pid``: of the process that was called."""

    verb: str
    argument: str
    begin: float
    end: float
    pid: int

    @property
    def hard(self) -> bool:
        return self.verb.startswith("purge")

    def covers(self, path: str, query: str) -> bool:
        what = self.verb.rpartition("_")[2]
        if what == "all":
            return True
        if what == "tag":
            _, section, name = path.strip("/").split("/")
            tags = {"pages", f"section:{section}", f"page:{section}-{name}"}
            return self.argument in tags
        if self.argument.endswith("/*"):
            return path.startswith(self.argument[:-1])
        asked, mark, wanted = self.argument.partition("?")
        return asked == path and (not mark or wanted == query)


@dataclass(frozen=True, kw_only=True)
class Visit:
    """``cookies``: what the visitor sent. ``begun`` to ``seen_cookie``: what the page says."""

    path: str
    query: str
    bucket: str
    cookies: str
    begin: float
    end: float
    label: str
    pid: int
    begun: float
    version: int
    seen_path: str
    seen_query: str
    seen_cookie: str

    @property
    def plain(self) -> bool:
        return not self.query and not self.bucket


@dataclass(frozen=True)
class Outage:
    """From before the store went until every process must have found it again."""

    begin: float
    end: float


class Bounds:
    """The latest begin among the calls that had returned by some moment."""

    def __init__(self, calls: list[Said]) -> None:
        calls.sort(key=lambda said: said.end)
        self._ends = [said.end for said in calls]
        self._begins: list[float] = []
        for said in calls:
            self._begins.append(max(said.begin, self._begins[-1] if self._begins else 0.0))

    def at(self, moment: float) -> float:
        count = bisect.bisect_right(self._ends, moment)
        return self._begins[count - 1] if count else 0.0


@dataclass
class History:
    """What happened. ``edits``: by path, when each version was written (begin and end)."""

    slack: float = 0.0
    said: list[Said] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    edits: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    #: Path, begin and end of every call of `regenerate`, whatever came of it.
    regenerations: list[tuple[str, float, float]] = field(default_factory=list)

    def violations(self) -> Iterator[tuple[Visit, str]]:
        """Visits that saw what they may not, and which rule says so."""
        judge = _Judge(self)
        for visit in self.visits:
            for fault in judge.faults(visit):
                yield visit, fault
        yield from self._steps_back()

    def outage_before(self, visit: Visit) -> Outage | None:
        """The last that began before the visit ended."""
        return max(
            (outage for outage in self.outages if outage.begin <= visit.end),
            key=lambda outage: outage.end,
            default=None,
        )

    def _steps_back(self) -> Iterator[tuple[Visit, str]]:
        """Visits that got an older render than an earlier one, of the same page in the same
        process, had got already; the app's own answers aside, and not across an outage."""
        pages: dict[tuple[int, str, str, str], list[Visit]] = defaultdict(list)
        for visit in self.visits:
            if visit.label != "BYPASS":
                pages[visit.pid, visit.path, visit.query, visit.bucket].append(visit)
        for visits in pages.values():
            visits.sort(key=lambda visit: visit.begin)
            under_way: list[tuple[float, float]] = []
            newest = 0.0
            for visit in visits:
                while under_way and under_way[0][0] <= visit.begin:
                    newest = max(newest, heapq.heappop(under_way)[1])
                outage = self.outage_before(visit)
                excused = outage is not None and visit.begun <= outage.end
                if visit.begun < newest and not excused and not self._overlap(visit, newest):
                    yield visit, f"{newest - visit.begun:.3f} s older than what came before"
                heapq.heappush(under_way, (visit.end, visit.begun))

    def _overlap(self, visit: Visit, newest: float) -> bool:
        return any(
            path == visit.path and begin <= visit.begun and newest <= end
            for path, begin, end in self.regenerations
        )


class _Judge:
    """``history``, arranged by page."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._bounds: dict[tuple[str, str, int, str], Bounds] = {}

    def faults(self, visit: Visit) -> Iterator[str]:
        if (visit.seen_path, visit.seen_query) != (visit.path, visit.query):
            yield f"a page of {visit.seen_path}?{visit.seen_query}"
        clean = f"bucket={visit.bucket}" if visit.bucket else ""
        if visit.seen_cookie != (visit.cookies if visit.label == "BYPASS" else clean):
            yield f"a page made with the cookies {visit.seen_cookie!r}"
        if visit.label not in LABELS:
            yield f"labelled {visit.label}"
        if not self._was_current(visit):
            yield "not a version of its time"
        if visit.label == "HIT" and visit.begin > visit.begun + self._lifetime(visit):
            yield "past its lifetime"
        yield from self._too_old(visit)

    def _lifetime(self, visit: Visit) -> float:
        return LIFETIMES[visit.path.split("/")[1]]

    def _was_current(self, visit: Visit) -> bool:
        """Whether the version may have been read after the render began."""
        edits = self._history.edits[visit.path]
        replaced = edits[visit.version + 1][1] if visit.version + 1 < len(edits) else visit.end
        return edits[visit.version][0] <= visit.end and visit.begun <= replaced

    def _too_old(self, visit: Visit) -> Iterator[str]:
        if visit.label == "BYPASS":
            if visit.begun < visit.begin:
                yield "an own answer from before the visit"
            return
        outage = self._history.outage_before(visit)
        if outage is not None and visit.begin < outage.end:
            return
        lost = outage.end if outage is not None else 0.0
        purged = self._bound(visit, "hard")
        if visit.plain:
            purged = max(purged, self._bound(visit, "now"))
        if visit.begun < purged and (visit.label != "STALE" or purged >= lost):
            yield f"begun {purged - visit.begun:.3f} s before a purge or regeneration that returned"
        if visit.label != "STALE":
            stale = max(self._bound(visit, "soft"), outage.begin if outage is not None else 0.0)
            if visit.begun < stale:
                yield f"begun {stale - visit.begun:.3f} s before a revalidation that returned"

    def _bound(self, visit: Visit, kind: str) -> float:
        """When the last call began that the visitor has a right to."""
        anywhere = self._find(visit, kind, 0).at(visit.begin - self._history.slack)
        return max(anywhere, self._find(visit, kind, visit.pid).at(visit.begin))

    def _find(self, visit: Visit, kind: str, pid: int) -> Bounds:
        where = (visit.path, visit.query, pid, kind)
        if where not in self._bounds:
            self._bounds[where] = Bounds(
                [
                    said
                    for said in self._history.said
                    if (not pid or said.pid == pid)
                    and _kind(said, kind)
                    and said.covers(visit.path, visit.query)
                ]
            )
        return self._bounds[where]


def _kind(said: Said, kind: str) -> bool:
    now = said.verb == "regenerate"
    return {"hard": said.hard, "now": now, "soft": not said.hard}[kind]
