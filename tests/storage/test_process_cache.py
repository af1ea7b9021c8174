"""`process_cache.Memory`: prepared pages by key and request line, bounded in bytes (P7)."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from isgware.core.stored_page import Entry
from isgware.serving.prepared_hits import PreparedHit
from isgware.storage.process_cache import Memory, Page, worth_remembering
from tests.core.making import NOW, an_entry


def a_page(key: str = "key", size: int = 100, seen: int = 0, **given: object) -> Page:
    return Page(an_entry(key=key, body=b"x" * size, **given), seen, "base")


#: What a page of no bytes is reckoned at.
OVERHEAD = a_page(size=0).size


def room_for(pages: int, size: int = 100) -> Memory:
    """A memory that holds so many pages of one size; one page may take a quarter of it."""
    assert pages >= 4
    return Memory(pages * a_page(size=size).size)


def ready(page: Page) -> PreparedHit:
    return PreparedHit(page, "GET", None, 2, False, NOW)


def test_a_page_is_found_by_its_key() -> None:
    memory, page = room_for(4), a_page()
    memory.add(page)
    assert memory.get("key") is page
    assert memory.get("other") is None
    assert (len(memory), memory.size) == (1, page.size)


def test_a_newer_page_takes_the_place_of_an_older() -> None:
    memory, old, new = room_for(8), a_page(size=100), a_page(size=300)
    for page in (old, new):
        memory.add(page)
    assert memory.get("key") is new
    assert (len(memory), memory.size) == (1, new.size)


def test_a_page_is_reckoned_with_its_encodings_and_headers() -> None:
    entry = an_entry(
        body=b"x" * 1000, encodings={"gzip": b"y" * 500}, headers=(("Link", "z" * 10_000),)
    )
    assert Page(entry, 0, "base").size > 11_500


def test_a_page_too_large_is_not_kept_nor_is_the_one_it_replaces() -> None:
    memory = room_for(4)
    memory.add(a_page(size=100))
    memory.add(a_page(size=2 * OVERHEAD))
    assert memory.get("key") is None
    assert memory.size == 0


def test_a_memory_that_is_switched_off_lets_go_and_keeps_nothing_more() -> None:
    memory, page = room_for(4), a_page()
    memory.add(page)
    memory.switch_off()
    assert (len(memory), memory.size) == (0, 0)
    memory.add(page)
    assert (len(memory), memory.size) == (0, 0)


def test_no_memory_holds_no_page() -> None:
    memory, page = Memory(0), a_page()
    memory.add(page)
    memory.remember(("GET", "/"), ready(page))
    assert (memory.get("key"), memory.memo) == (None, {})


def test_a_discarded_page_is_gone_under_every_name() -> None:
    memory, page = room_for(4), a_page()
    memory.add(page)
    held = ready(page)
    memory.remember(("GET", "/"), held)
    memory.discard("key")
    memory.discard("key")
    assert (memory.get("key"), memory.memo, memory.size) == (None, {}, 0)
    assert held.until == 0.0, "who holds it still does not serve it"


def test_a_cleared_memory_is_empty() -> None:
    memory, page = room_for(4), a_page()
    memory.add(page)
    memory.remember(("GET", "/"), ready(page))
    memory.clear()
    assert (len(memory), memory.size, memory.memo) == (0, 0, {})


# Eviction.


def test_at_the_limit_pages_that_nobody_visited_go_first() -> None:
    memory = room_for(4)
    pages = [a_page(str(number)) for number in range(4)]
    for page in pages:
        memory.add(page)
    pages[0].used = True
    memory.add(a_page("new"))
    assert [key for key in ("0", "1", "2", "3", "new") if memory.get(key)] == ["0", "2", "3", "new"]


def test_a_page_just_added_stays_even_if_all_others_are_hot() -> None:
    memory = room_for(4)
    for number in range(4):
        page = a_page(str(number))
        page.used = True
        memory.add(page)
    memory.add(a_page("new"))
    assert memory.get("new")
    assert len(memory) == 4


def test_the_hot_page_survives_a_flood() -> None:
    memory, hot = room_for(10), a_page("hot")
    memory.add(hot)
    for number in range(100):
        ready(hot)
        memory.add(a_page(str(number)))
    assert memory.get("hot") is hot


def test_error_pages_take_a_sixteenth_at_most() -> None:
    memory = Memory(640 * OVERHEAD)
    memory.add(a_page("page"))
    for number in range(100):
        memory.add(a_page(str(number), status="404 Not Found", error_quota=True))
    errors = [str(number) for number in range(100) if memory.get(str(number))]
    assert 30 <= len(errors) <= 40
    assert memory.get("page")


def test_a_flood_of_error_pages_costs_a_visited_page_nothing() -> None:
    memory, hot = Memory(640 * OVERHEAD), a_page("hot")
    memory.add(hot)
    hot.used = True
    for number in range(100):
        memory.add(a_page(str(number), status="404 Not Found", error_quota=True))
    assert hot.used


# By request line.


def test_a_page_is_found_by_its_request_lines() -> None:
    memory, page = room_for(4), a_page()
    memory.add(page)
    for raw in (("GET", "/"), ("HEAD", "/")):
        memory.remember(raw, ready(page))
        assert memory.memo[raw].page is page


def test_a_page_that_is_not_kept_is_not_remembered() -> None:
    memory = room_for(4)
    memory.add(a_page())
    memory.remember(("GET", "/"), ready(a_page()))
    assert memory.memo == {}


def test_answers_count_towards_the_limit_and_are_given_back() -> None:
    memory, page = room_for(64), a_page()
    memory.add(page)
    alone = memory.size
    for number in range(40):
        memory.remember(("GET", f"/?utm_id={number}"), ready(page))
    assert memory.size == page.size > alone + 32 * 1_000
    memory.add(a_page(seen=1))
    assert (memory.size, memory.memo) == (alone, {})


def test_a_request_line_counts_for_its_length() -> None:
    """Somebody may invent lines that are nearly as long as an answer is large."""
    memory, page = room_for(64), a_page()
    memory.add(page)
    alone = memory.size
    memory.remember(("GET", "/?" + "x" * 900), ready(page))
    long = memory.size - alone
    for number in range(40):
        memory.remember(("GET", f"/?{number:04}"), ready(page))
    short = (memory.size - alone) // len(page.raws)
    assert long == short + 900 - 4
    memory.discard("key")
    assert memory.size == 0


def test_answers_push_out_pages_that_nobody_visited() -> None:
    memory = room_for(4)
    pages = [a_page(key) for key in "abcd"]
    for page in pages:
        memory.add(page)
    for number in range(20):
        memory.remember(("GET", f"/?utm_id={number}"), ready(pages[3]))
    assert memory.size <= room_for(4)._limit
    assert memory.get("a") is None


def test_a_page_is_remembered_by_its_latest_request_lines_only() -> None:
    memory, page = room_for(64), a_page()
    memory.add(page)
    raws = [("GET", f"/?utm_id={number}") for number in range(100)]
    for raw in raws:
        memory.remember(raw, ready(page))
    assert set(memory.memo) == set(raws[-len(memory.memo) :])
    assert len(memory.memo) == len(page.raws) <= 32


def test_a_request_line_remembered_twice_counts_once() -> None:
    memory, page = room_for(4), a_page()
    memory.add(page)
    for _ in range(3):
        memory.remember(("GET", "/"), ready(page))
    assert len(page.raws) == 1


def test_request_lines_take_no_more_than_the_limit() -> None:
    """Their length is their sender's choice: tracking parameters are not in the key."""
    memory = room_for(4)
    for key in "abcd":
        page = a_page(key)
        memory.add(page)
        for number in range(100):
            memory.remember(("GET", f"/{key}", f"utm_id={number}" + "x" * 4_000), ready(page))
    assert sum(len(part) for raw in memory.memo for part in raw) <= 4 * OVERHEAD


# What is told to the store, and after a fork.


def test_pages_visited_since_are_told_once() -> None:
    memory, pages = room_for(4), [a_page(key) for key in "abc"]
    for page in pages:
        memory.add(page)
    ready(pages[0])
    ready(pages[2])
    assert (memory.recent(10), memory.recent(10)) == (["a", "c"], [])


def test_no_more_is_told_than_was_asked_for() -> None:
    memory = room_for(4)
    for key in "abc":
        page = a_page(key)
        memory.add(page)
        ready(page)
    assert (memory.recent(2), memory.recent(2)) == (["a", "b"], ["c"])


def test_a_lock_held_in_the_parent_does_not_stop_a_forked_child() -> None:
    memory = room_for(4)
    memory._lock.acquire()
    memory.reset_lock()
    memory.add(a_page())
    assert memory.get("key")


def test_a_request_line_whose_page_is_another_now_is_found_by_that_alone() -> None:
    """Say because another policy was learned for its URL: what is dropped then is gone."""
    memory, old, new = room_for(6), a_page("old"), a_page("new")
    for page in (old, new):
        memory.add(page)
    memory.remember(("GET", "/"), ready(old))
    memory.remember(("GET", "/"), ready(new))
    assert (old.raws, new.raws) == ((), (("GET", "/"),))
    memory.discard("old")
    assert memory.memo[("GET", "/")].page is new
    memory.discard("new")
    assert (memory.memo, memory.size) == ({}, 0)


class Bounds(RuleBasedStateMachine):
    """Whatever is added, visited and dropped: sums agree, limits hold, nothing dangles."""

    LIMIT = 8 * OVERHEAD

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory(self.LIMIT)
        self.entries: dict[str, Entry] = {}

    keys = st.sampled_from("abcdefghijklmnop")

    @rule(key=keys, size=st.integers(0, 6_000), error=st.booleans())
    def add(self, key: str, size: int, error: bool) -> None:
        page = a_page(key, size, error_quota=error)
        self.memory.add(page)
        self.entries[key] = page.entry

    @rule(key=keys, number=st.integers(0, 40))
    def visit(self, key: str, number: int) -> None:
        page = self.memory.get(key)
        if page is not None:
            self.memory.remember(("GET", f"/{key}?{number}"), ready(page))

    @rule(key=keys, number=st.integers(0, 3))
    def visit_what_was_of_another(self, key: str, number: int) -> None:
        page = self.memory.get(key)
        if page is not None:
            self.memory.remember(("GET", f"/?{number}"), ready(page))

    @rule(key=keys)
    def discard(self, key: str) -> None:
        self.memory.discard(key)
        assert self.memory.get(key) is None

    @invariant()
    def sums_agree_and_limits_hold(self) -> None:
        held = [page for key in self.entries if (page := self.memory.get(key))]
        assert len(held) == len(self.memory)
        assert self.memory.size == sum(page.size for page in held) <= self.LIMIT
        errors = sum(page.size for page in held if page.entry.error_quota)
        assert errors <= self.LIMIT // 16

    @invariant()
    def nothing_dangles(self) -> None:
        for raw, answer in self.memory.memo.items():
            page = answer.page
            assert self.memory.get(page.entry.key) is page
            assert raw in page.raws
        for key in self.entries:
            page = self.memory.get(key)
            assert page is None or page.entry == self.entries[key]


TestBounds = Bounds.TestCase
TestBounds.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_long_request_lines_are_not_remembered() -> None:
    """Their length is their sender's choice, and there are many of them to a page."""
    assert worth_remembering(("GET", "http", "h", "", "/" + "x" * 1_000, "", None))
    assert not worth_remembering(("GET", "http", "h", "", "/" + "x" * 1_024, "", None))
    assert not worth_remembering(("GET", "http", "h", "", "/", "", "gzip" * 256))


# What caches in front are told.


OURS = ("Cache-Control", "public, max-age=0, s-maxage=60, stale-while-revalidate=9")


def accel(page: Page, after: float = 7, *, stale: bool = False) -> str | None:
    now = NOW + after
    _, headers, _ = (
        page.stale_answer(None, now) if stale else page.answer(None, now, "HIT", "isgware; hit")
    )
    return dict(headers).get("X-Accel-Expires")


def test_nginx_is_told_what_is_left_of_a_page() -> None:
    page = a_page(headers=(OURS,))
    assert [accel(page, after) for after in (0, 7, 59.5)] == ["60", "53", "1"]


def test_nginx_may_keep_a_stale_answer_for_a_second() -> None:
    assert accel(a_page(headers=(OURS,)), stale=True) == "1"
    assert accel(a_page(headers=(OURS,)), after=100, stale=True) == "1"
    assert accel(a_page(headers=(OURS,), revalidate=None), stale=True) == "1"


def test_a_page_that_is_fresh_until_told_is_kept_in_front_from_now() -> None:
    page = a_page(headers=(OURS,), revalidate=None)
    assert [accel(page, after) for after in (0, 7, 90_000)] == ["60", "60", "60"]


def test_what_the_app_says_itself_counts_from_the_render() -> None:
    for revalidate in (60.0, None):
        page = a_page(headers=(("Cache-Control", "max-age=30"),), revalidate=revalidate)
        assert [accel(page, after) for after in (0, 7, 50)] == ["30", "23", "1"]


def test_a_private_page_is_none_for_nginx() -> None:
    page = a_page(headers=(("Cache-Control", "private, max-age=0, must-revalidate"),))
    assert (accel(page), accel(page, stale=True)) == (None, None)
