"""`isgware.core.freshness`: states by the clock, and what invalidation does to them (P6)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from isgware.core.freshness import (
    Changes,
    Generations,
    State,
    accepts,
    below_name,
    judge,
    names_of,
    path_name,
    tag_name,
    url_name,
)
from isgware.core.stored_page import Entry
from tests.core.making import NOW, an_entry, examples

NAMES = ("all", "path:/page", "tag:a")
FRESH, STALE, EXPIRED, GONE = State.FRESH, State.STALE, State.EXPIRED, State.GONE


def mirror(counter: int = 10, **given_fields: object) -> Generations:
    return Generations("nonce", counter, **given_fields)  # type: ignore[arg-type]


def state_at(seconds: float, entry: Entry | None = None, seen: Generations | None = None) -> State:
    page = entry or an_entry(generation=5)
    return judge(page, NAMES, seen or mirror(), NOW + seconds, "policy")


# By the clock. The page is fresh for 60 seconds and expires after 3600.


@pytest.mark.parametrize(
    ("seconds", "state"),
    [
        pytest.param(0, FRESH, id="just rendered"),
        pytest.param(59.999, FRESH, id="last moment"),
        pytest.param(60, STALE, id="its time is up (9111 4.2: fresh if lifetime > age)"),
        pytest.param(3599.999, STALE, id="still served"),
        pytest.param(3600, EXPIRED, id="expired"),
        pytest.param(10**9, EXPIRED, id="long expired"),
        pytest.param(-2, FRESH, id="clocks differ a little"),
        pytest.param(-2.1, STALE, id="from the future"),
        pytest.param(-(10**9), STALE, id="from far in the future"),
    ],
)
def test_state_by_the_clock(seconds: float, state: State) -> None:
    assert state_at(seconds) is state


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, FRESH), (3599, FRESH), (3600, EXPIRED), (-10, STALE)]
)
def test_a_page_until_told_is_fresh_until_it_expires(seconds: float, state: State) -> None:
    assert state_at(seconds, an_entry(generation=5, revalidate=None)) is state


# By what was invalidated. The page was rendered in generation 5.


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        pytest.param(mirror(soft={"tag:a": 6}), STALE, id="soft, since"),
        pytest.param(mirror(hard={"tag:a": 6}), GONE, id="hard, since"),
        pytest.param(mirror(soft={"tag:a": 5}, hard={"all": 5}), FRESH, id="seen by the render"),
        pytest.param(mirror(soft={"all": 9}, hard={"path:/page": 6}), GONE, id="hard before soft"),
        pytest.param(mirror(soft={"tag:b": 9}, hard={"path:/": 9}), FRESH, id="others' names"),
        pytest.param(mirror(published={"tag:a": 9}), FRESH, id="publishing makes nothing stale"),
        pytest.param(mirror(floor=6), GONE, id="below the floor: nobody knows any more"),
        pytest.param(mirror(floor=5), FRESH, id="on the floor"),
        pytest.param(mirror(soft_floor=6), STALE, id="below the floor of soft ones"),
        pytest.param(mirror(soft_floor=5), FRESH, id="on the floor of soft ones"),
        pytest.param(mirror(floor=6, soft_floor=9), GONE, id="below both floors"),
        pytest.param(Generations("other", 3), STALE, id="the table was lost"),
        pytest.param(Generations("other", 3, hard={"all": 3}), GONE, id="lost, then purged"),
        pytest.param(Generations("other", 3, hard={"tag:b": 3}), STALE, id="lost, others purged"),
        pytest.param(
            Generations("other", 3, floor=1), GONE, id="lost, and who was purged forgotten"
        ),
        pytest.param(Generations(), STALE, id="nothing read yet"),
    ],
)
def test_state_by_invalidation(seen: Generations, state: State) -> None:
    assert state_at(0, seen=seen) is state


def test_a_purged_page_is_gone_even_when_expired() -> None:
    assert state_at(10**6, seen=mirror(hard={"all": 9})) is GONE


def test_a_softly_invalidated_page_expires_all_the_same() -> None:
    assert state_at(3600, seen=mirror(soft={"all": 9})) is EXPIRED


def test_a_page_made_under_another_policy_is_stale() -> None:
    assert judge(an_entry(), NAMES, mirror(), NOW, "other policy") is STALE


# Names.


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("/", {"below:/"}),
        ("/blog", {"below:/"}),
        ("/blog/", {"below:/", "below:/blog/"}),
        ("/blog/a/b", {"below:/", "below:/blog/", "below:/blog/a/"}),
        ("", set()),
    ],
)
def test_a_page_lies_below_each_slash_of_its_path(path: str, below: set[str]) -> None:
    assert {name for name in names_of(path, "", ()) if name.startswith("below:")} == below


def test_a_page_is_found_by_all_its_names() -> None:
    names = names_of("/blog/a", "page=2", ["x", "y"])
    assert set(names) == {
        "all", "path:/blog/a", "url:/blog/a?page=2", "below:/", "below:/blog/", "tag:x", "tag:y",
    }  # fmt: skip


def test_names_of_different_kinds_never_meet() -> None:
    text = "/x/"
    names = [tag_name(text), path_name(text), url_name(text, ""), below_name(text)]
    assert len({*names, tag_name("all"), "all"}) == 6


# The mirror.


def test_changes_are_taken_over() -> None:
    seen = mirror(0)
    seen.apply(Changes("nonce", 7, 2, 1, (("a", 5),), (("b", 6),), (("c", 7),), 3))
    tables = {"soft": {"a": 5}, "hard": {"b": 6}, "published": {"c": 7}}
    assert seen == mirror(7, floor=2, forgotten=1, soft_floor=3, **tables)


@examples
@given(
    st.permutations(
        [
            Changes("nonce", 3, soft=(("a", 3),)),
            Changes("nonce", 5, soft=(("a", 5),), hard=(("a", 4),)),
            Changes("nonce", 6, floor=2, forgotten=2, hard=(("a", 6),), soft=(("b", 6),)),
        ]
    )
)
def test_changes_may_arrive_in_any_order(changes: list[Changes]) -> None:
    seen = mirror(0)
    for change in changes:
        seen.apply(change)
    assert seen == mirror(6, floor=2, forgotten=2, soft={"a": 5, "b": 6}, hard={"a": 6})


def test_forgetting_drops_what_the_backend_dropped() -> None:
    tables = {"hard": {"a": 1, "b": 2}, "soft": {"a": 2, "b": 3}, "published": {"a": 3, "b": 4}}
    seen = mirror(9, **tables)
    seen.forget(floor=1, soft_floor=2, forgotten=3)
    assert (seen.hard, seen.soft, seen.published) == ({"b": 2}, {"b": 3}, {"b": 4})


def test_no_number_of_forgotten_soft_rows_drops_a_hard_one() -> None:
    seen = mirror(9, hard={"a": 1})
    seen.forget(floor=0, soft_floor=9, forgotten=9)
    assert seen.hard == {"a": 1}


def test_a_copy_older_than_a_forgotten_purge_may_have_been_replaced() -> None:
    assert mirror(floor=3).renewed(["a"], 2)
    assert not mirror(floor=3).renewed(["a"], 3)


def test_last_is_the_latest_of_either_kind() -> None:
    assert mirror(soft={"a": 3, "b": 4}, hard={"a": 5}).last(["a", "b", "c"]) == 5


def test_a_name_never_invalidated_was_last_at_zero() -> None:
    assert mirror().last(["a"]) == mirror().last([]) == 0


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(mirror(), False, id="nothing happened"),
        pytest.param(mirror(published={"tag:a": 6}), True, id="replaced before its time"),
        pytest.param(mirror(soft={"tag:a": 6}), False, id="declared stale"),
        pytest.param(mirror(hard={"tag:a": 6}), True, id="hard"),
        pytest.param(mirror(published={"tag:a": 5}), False, id="read after it"),
        pytest.param(mirror(published={"tag:b": 9}), False, id="others"),
        pytest.param(mirror(forgotten=6), True, id="the rows that would tell are gone"),
        pytest.param(mirror(forgotten=5), False, id="the rows that are gone were seen"),
    ],
)
def test_a_copy_read_at_five_may_have_been_renewed(seen: Generations, expected: bool) -> None:
    assert seen.renewed(NAMES, 5) is expected


# P6: who may take which render.


@pytest.mark.parametrize(
    ("generation", "arrival", "invalidated", "expected"),
    [
        pytest.param(5, 5, {}, True, id="nothing invalidated"),
        pytest.param(5, 8, {"tag:a": 7}, False, id="invalidated between start and arrival"),
        pytest.param(5, 8, {"tag:a": 8}, False, id="invalidated just before the arrival"),
        pytest.param(5, 8, {"tag:a": 5}, True, id="the render has seen it"),
        pytest.param(5, 8, {"tag:b": 7}, True, id="another page's name"),
        pytest.param(8, 8, {"tag:a": 9}, True, id="invalidated after the arrival"),
        pytest.param(9, 8, {"tag:a": 8}, True, id="rendered after the arrival"),
        pytest.param(3, 5, {"tag:a": 7}, False, id="a later one may hide an earlier one"),
    ],
)
@pytest.mark.parametrize("table", ["soft", "hard"])
def test_accepts(
    generation: int, arrival: int, invalidated: dict[str, int], expected: bool, table: str
) -> None:
    seen = mirror(**{table: invalidated})
    assert accepts(generation, "nonce", NAMES, seen, arrival) is expected


def test_a_render_from_before_the_table_was_lost_is_not_accepted() -> None:
    assert accepts(9, "old nonce", NAMES, mirror(), 5) is False


def test_a_render_below_the_floor_is_not_accepted() -> None:
    assert accepts(5, "nonce", NAMES, mirror(floor=6), 5) is False


@examples
@given(
    history=st.lists(st.tuples(st.sampled_from(["a", "b"]), st.booleans()), max_size=8),
    generation=st.integers(0, 8),
    arrival=st.integers(0, 8),
    names=st.sets(st.sampled_from(["a", "b", "c"])),
)
def test_nobody_takes_a_render_invalidated_before_they_came(
    history: list[tuple[str, bool]], generation: int, arrival: int, names: set[str]
) -> None:
    seen = Generations("nonce")
    for counter, (name, hard) in enumerate(history, 1):
        rows = ((name, counter),)
        seen.apply(Changes("nonce", counter, **{"hard" if hard else "soft": rows}))
    missed = [name for name, _ in history[generation:arrival] if name in names]
    accepted = accepts(generation, "nonce", names, seen, arrival)
    assert not (accepted and missed)
    if generation >= arrival:
        assert accepted, "a render begun after the visitor came is always theirs"


class Coherence(RuleBasedStateMachine):
    """One page, any number of invalidations, lags and forgetting; the truth is the whole history.

    ``renders`` holds pages by the generation their render began in, with what has truly been
    invalidated since; ``told`` is a mirror that is brought up to date now and then.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counter = self.floor = self.soft_floor = self.forgotten = 0
        self.tables: dict[str, dict[str, int]] = {"soft": {}, "hard": {}, "published": {}}
        self.renders: list[tuple[Entry, set[str]]] = []
        self.told = Generations("nonce")

    @rule(tags=st.sets(st.sampled_from("ab")))
    def render(self, tags: set[str]) -> None:
        entry = an_entry(generation=self.counter, revalidate=None, tags=tuple(sorted(tags)))
        self.renders.append((entry, set()))

    @rule(
        name=st.sampled_from(
            ["all", "tag:a", "tag:b", "path:/page", "below:/", "url:/page?", "path:/x", "tag:z"]
        ),
        table=st.sampled_from(["soft", "hard"]),
    )
    def invalidate(self, name: str, table: str) -> None:
        self.counter += 1
        self.tables[table][name] = self.counter
        for entry, happened in self.renders:
            if name in names_of("/page", "", entry.tags):
                happened.add(table)

    @rule()
    def publish(self) -> None:
        self.counter += 1
        self.tables["published"]["path:/page"] = self.counter

    @rule(kind=st.sampled_from(["soft", "hard", "published"]))
    def drop_old_rows(self, kind: str) -> None:
        """What backends do at their limit of names: the older half goes, a floor rises."""
        table = self.tables[kind]
        if not table:
            return
        last = sorted(table.values())[len(table) // 2]
        self.tables[kind] = {key: value for key, value in table.items() if value > last}
        self.forgotten = max(self.forgotten, last)
        if kind == "hard":
            self.floor = last
        elif kind == "soft":
            self.soft_floor = last

    @rule()
    def sync(self) -> None:
        rows: dict[str, Any] = {
            name: tuple(item for item in table.items() if item[1] > self.told.counter)
            for name, table in self.tables.items()
        }
        rows["soft_floor"] = self.soft_floor
        self.told.apply(Changes("nonce", self.counter, self.floor, self.forgotten, **rows))

    @invariant()
    def a_mirror_that_is_current_never_calls_fresh_what_was_invalidated(self) -> None:
        told = self.told
        if (told.counter, told.floor, told.soft_floor) < (
            self.counter, self.floor, self.soft_floor
        ):  # fmt: skip
            return
        for entry, happened in self.renders:
            state = judge(entry, names_of("/page", "", entry.tags), self.told, NOW, "policy")
            if "hard" in happened:
                assert state is GONE
            elif "soft" in happened:
                assert state in (STALE, GONE)
            if entry.generation >= self.floor and "hard" not in happened:
                assert state is not GONE, "only what is hard, or was forgotten of it, makes gone"
            if entry.generation >= max(self.floor, self.soft_floor) and not happened:
                assert state is FRESH

    @invariant()
    def a_mirror_that_lags_knows_nothing_that_did_not_happen(self) -> None:
        for entry, happened in self.renders:
            state = judge(entry, names_of("/page", "", entry.tags), self.told, NOW, "policy")
            if not happened and entry.generation >= max(self.floor, self.soft_floor):
                assert state is FRESH


TestCoherence = Coherence.TestCase
TestCoherence.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
