"""The generation logic over several processes: hypothesis looks for a history that breaks P6.

Processes are `PageStore`s with mirrors and memories of their own over one store whose table of
names is tiny, so that the floor rises all the time. The clock is passed in, and nothing runs at
once: a render is begun and ended by rules of their own, so that anything can happen between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from isgware.backends.base import Lease, Limits
from isgware.backends.breaker import Breaker
from isgware.backends.memory import MemoryBackend
from isgware.core.freshness import State, accepts, names_of
from isgware.core.stored_page import Entry
from isgware.management.regenerate_now import Verbs
from isgware.routing.framework import Site
from isgware.storage.page_store import PageStore
from isgware.storage.process_cache import Memory, key_name
from isgware.testing import FakeClock, make_entry

PROCESSES = 2
LIMITS = Limits(names=3)
PATH = "/x"
KEY = make_entry(PATH).key
NAMES = ["all", "tag:a", "path:/x", "below:/", "url:/x?", "tag:other", "tag:nobody's"]
processes = st.integers(0, PROCESSES - 1)


@dataclass
class Render:
    """A render under way. ``at``: the number of the event with which it began; ``table``: which of
    the tables that there have been its process knew; ``now``: whether `regenerate` asked for it."""

    process: int
    tags: tuple[str, ...]
    at: int
    table: int
    generation: int
    nonce: str
    order: int
    rendered_at: float
    now: bool


@dataclass(frozen=True)
class Said:
    """``order``: of the `regenerate` that said it, of its page's other variants only."""

    at: int
    name: str
    hard: bool
    table: int
    order: int = 0


@dataclass
class Visitor:
    process: int
    at: int
    table: int
    arrival: int


@dataclass
class Process:
    page_store: PageStore
    #: Generation and order of the newest page that it has found.
    newest: tuple[int, int] = (0, 0)


class Generations(RuleBasedStateMachine):
    renders = Bundle("renders")
    visitors = Bundle("visitors")

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.backend = MemoryBackend(LIMITS)
        self.breaker = Breaker(self.backend, limit=60.0)
        self.processes = [self._process() for _ in range(PROCESSES)]
        self.events = self.table = 0
        self.said: list[Said] = []
        #: The renders that ended, by the order of their leases.
        self.ended: dict[int, Render] = {}
        #: When the latest `regenerate` that returned began, in the present table.
        self.shown = 0
        self.stored = (0, 0)

    def _process(self) -> Process:
        return Process(PageStore(self.breaker, Memory(10**6), self.clock, offline=60.0))

    def _event(self) -> int:
        self.events += 1
        return self.events

    # What happens.

    @rule(seconds=st.sampled_from([0.5, 30, 61, 4_000]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(process=processes, name=st.sampled_from(NAMES), hard=st.booleans())
    def invalidate(self, process: int, name: str, hard: bool) -> None:
        self.processes[process].page_store.invalidate([name], hard=hard)
        self.said.append(Said(self._event(), name, hard, self.table))

    @rule(
        target=renders, process=processes, tags=st.sampled_from([("a",), ("a", "b")]),
        now=st.booleans(),
    )  # fmt: skip
    def begin_render(self, process: int, tags: tuple[str, ...], now: bool) -> Render:
        page_store = self.processes[process].page_store
        page_store.sync()
        lease = page_store.acquire(KEY, 10.0, (), overtake=True)
        assert isinstance(lease, Lease)
        mirror = page_store.mirror
        return Render(
            process, tags, self._event(), self.table, mirror.counter, mirror.nonce,
            lease.order + 1_000 * self.table, self.clock(), now,
        )  # fmt: skip

    @rule(render=consumes(renders))
    def end_render(self, render: Render) -> None:
        page_store = self.processes[render.process].page_store
        entry = make_entry(
            PATH, tags=render.tags, generation=render.generation, nonce=render.nonce,
            order=render.order, rendered_at=render.rendered_at,
        )  # fmt: skip
        if render.now:
            engine: Any = SimpleNamespace(page_store=page_store)
            verbs = Verbs(engine, None, Site())  # type: ignore[arg-type]
            entry = replace(entry, generation=verbs._supersede(entry, render.generation))
            path = f"path:{PATH}"
            self.said.append(Said(self._event(), path, False, self.table, render.order))
        self.ended[render.order] = render
        page, _ = page_store.keep(entry, PATH)
        if render.now:
            page_store.backend.publish([key_name(KEY)])
            page_store.sync()
            if page.entry.order == render.order and render.table == self.table:
                self.shown = max(self.shown, render.at)

    @rule(process=processes, tags=st.sampled_from([("a",), ("a", "b")]), now=st.booleans())
    def render(self, process: int, tags: tuple[str, ...], now: bool) -> None:
        self.end_render(self.begin_render(process, tags, now))

    @rule(process=processes, really=st.integers(0, 3))
    def restart_process(self, process: int, really: int) -> None:
        if not really:
            self.processes[process] = self._process()

    @rule(pages_survive=st.booleans(), really=st.integers(0, 3))
    def lose_the_table(self, pages_survive: bool, really: int) -> None:
        if really:
            return
        old = self.backend
        self.backend = self.breaker.backend = MemoryBackend(LIMITS)
        self.backend.version[0] = old.version[0] + 1_000
        if pages_survive:
            self.backend._good = old._good
        self.table += 1
        self.shown, self.stored = 0, (0, 0)
        for process in self.processes:
            process.newest = (0, 0)

    # What must hold.

    @rule(process=processes, again=st.booleans())
    def visit(self, process: int, again: bool) -> None:
        page_store = self.processes[process].page_store
        page_store.sync()
        page, state = page_store.find(KEY, PATH, "", again=again)
        if page is None or state is None:
            return
        render = self.ended[page.entry.order]
        self._judged_rightly(page.entry, render, state, page_store)
        if render.table == self.table:
            here, newest = self.processes[process], (page.entry.generation, page.entry.order)
            assert newest >= here.newest, "a process went back to an older render"
            here.newest = newest
            assert render.at >= self.shown, "older than what regenerate has shown everywhere"

    def _judged_rightly(
        self, entry: Entry, render: Render, state: State, page_store: PageStore
    ) -> None:
        since = [it for it in self._said_of(render) if it.at > render.at]
        lost = render.table != self.table
        if any(it.hard for it in since if it.table == self.table):
            assert state is State.GONE
        elif lost or since:
            assert state is not State.FRESH
        if self.clock() >= entry.fresh_until:
            assert state is not State.FRESH
        if self.clock() >= entry.expires_at:
            assert state in (State.EXPIRED, State.GONE)
        known = entry.generation >= max(page_store.mirror.floor, page_store.mirror.soft_floor)
        if not lost and not since and known and self.clock() < entry.fresh_until:
            assert state is State.FRESH

    def _said_of(self, render: Render) -> list[Said]:
        names = names_of(PATH, "", render.tags)
        return [it for it in self.said if it.name in names and it.order != render.order]

    @rule(target=visitors, process=processes)
    def arrive(self, process: int) -> Visitor:
        page_store = self.processes[process].page_store
        page_store.sync()
        return Visitor(process, self._event(), self.table, page_store.mirror.counter)

    @rule(visitor=visitors, render=renders)
    def offer(self, visitor: Visitor, render: Render) -> None:
        """Who waits takes a render unless something was said between its begin and their coming."""
        page_store = self.processes[visitor.process].page_store
        page_store.sync()
        names = names_of(PATH, "", render.tags)
        taken = accepts(render.generation, render.nonce, names, page_store.mirror, visitor.arrival)
        missed = [it for it in self._said_of(render) if render.at < it.at < visitor.at]
        if missed or render.table != self.table:
            assert not taken
        elif (
            visitor.table == self.table
            and render.at > visitor.at
            and render.generation >= max(page_store.mirror.floor, page_store.mirror.soft_floor)
        ):
            assert taken, "a render begun after they came is theirs"

    @invariant()
    def the_store_never_takes_an_older_page_for_a_newer_one(self) -> None:
        row, *_ = self.backend._find(KEY)
        if row is not None and row.nonce == self.backend._nonce:
            assert (row.generation, row.order) >= self.stored
            self.stored = (row.generation, row.order)

    @invariant()
    def a_mirror_is_never_ahead_of_its_store(self) -> None:
        for process in self.processes:
            mirror = process.page_store.mirror
            if mirror.nonce == self.backend._nonce:
                assert mirror.counter <= self.backend._counter
                assert mirror.floor <= self.backend._floor
                assert mirror.soft_floor <= self.backend._soft_floor


TestGenerations = Generations.TestCase
TestGenerations.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
