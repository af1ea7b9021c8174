"""The circuit breaker: a fault of the store costs once, then nothing until a probe succeeds."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from isgware.backends import circuit as module
from isgware.backends.base import Backend, Limits, row_of
from isgware.backends.breaker import Breaker
from isgware.backends.memory import MemoryBackend
from isgware.core.stored_page import encode
from isgware.errors import BackendUnavailable, ConfigurationError
from isgware.testing import START, BackendContract, FakeClock, make_entry
from isgware.testing.backend_suite import acquire, nonce_of

LIMIT = 0.3


class TestBreaker(BackendContract):
    """Closed, it is a backend like any other."""

    def make(self, limits: Limits) -> Backend:
        return Breaker(MemoryBackend(limits), limit=60.0)


UNHARMED = {"clock", "close", "before_fork", "after_fork"}


class Faulty(MemoryBackend):
    """Fails, or takes its time, when told to."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.error: Exception | None = None
        self.takes = 0.0
        self.calls = 0

    def get_with_note(self, key: str, note: str, now: float) -> tuple[None, None]:
        return None, None

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or not callable(found) or name in UNHARMED:
            return found

        def faulty(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            self.clock.advance(self.takes)
            if self.error is not None:
                raise self.error
            return found(*args, **kwargs)

        return faulty


@pytest.fixture(autouse=True)
def _no_visit_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the tests before have visited in this thread."""
    monkeypatch.setattr(module, "current", contextvars.ContextVar("read_ahead", default=None))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock(1_000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    return clock


@pytest.fixture
def backend(clock: FakeClock) -> Faulty:
    return Faulty(clock)


@pytest.fixture
def opened() -> list[str]:
    return []


@pytest.fixture
def breaker(backend: Faulty, opened: list[str]) -> Breaker:
    return Breaker(backend, LIMIT, on_open=lambda: opened.append("opened"))


def operations(breaker: Breaker) -> dict[str, Callable[[], object]]:
    entry = make_entry()
    lease = acquire(MemoryBackend())
    assert lease is not None
    return {
        "get": lambda: breaker.get(entry.key, START),
        "put": lambda: breaker.put(row_of(entry), encode(entry), START),
        "delete": lambda: breaker.delete(entry.key),
        "touch": lambda: breaker.touch([entry.key], START),
        "rows": lambda: list(breaker.rows()),
        "sync": lambda: breaker.sync("", 0),
        "invalidate": lambda: breaker.invalidate(["a"], hard=True),
        "publish": lambda: breaker.publish(["a"]),
        "acquire": lambda: breaker.acquire("k", 10, START, generation=0, overtake_before=0),
        "renew": lambda: breaker.renew(lease, 10, START),
        "release": lambda: breaker.release(lease),
        "read_note": lambda: breaker.read_note("n", START),
        "write_note": lambda: breaker.write_note("n", b"", 10, START),
        "drop_note": lambda: breaker.drop_note("n"),
        "get_with_note": lambda: breaker.get_with_note(entry.key, "n", START),
        "ping": breaker.ping,
    }


NAMES = sorted(operations(Breaker(MemoryBackend(), LIMIT)))


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_opens_the_circuit_when_it_fails(
    name: str, breaker: Breaker, backend: Faulty, opened: list[str]
) -> None:
    backend.error = RuntimeError("gone")
    with pytest.raises(BackendUnavailable, match="RuntimeError: gone"):
        operations(breaker)[name]()
    assert breaker.open_since is not None
    assert opened == ["opened"]


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_fails_at_once_while_it_is_open(
    name: str, breaker: Breaker, backend: Faulty
) -> None:
    breaker.trip(RuntimeError("gone"))
    with pytest.raises(BackendUnavailable, match="probed"):
        operations(breaker)[name]()
    assert backend.calls == 0


@pytest.mark.parametrize("name", [name for name in NAMES if name != "rows"])
def test_a_slow_operation_does_its_work_and_opens_the_circuit(
    name: str, breaker: Breaker, backend: Faulty
) -> None:
    backend.takes = LIMIT + 0.01
    operations(breaker)[name]()
    assert backend.calls == 1
    assert breaker.open_since is not None


def test_an_operation_within_the_limit_leaves_it_closed(breaker: Breaker, backend: Faulty) -> None:
    backend.takes = LIMIT - 0.01
    for _ in range(10):
        breaker.get("key", START)
    assert breaker.open_since is None


def test_the_operations_of_one_visit_have_a_limit_together(
    breaker: Breaker, backend: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    backend.takes = 0.07

    def visit(operations: int) -> bool:
        breaker.begin()
        for _ in range(operations):
            breaker.get("key", START)
        return breaker.open_since is None

    assert [contextvars.copy_context().run(visit, 2) for _ in range(10)] == [True] * 10
    assert not contextvars.copy_context().run(visit, 3)
    assert "operations of one visit took 0.21 s, and may take two thirds of" in caplog.text


def test_a_visit_or_script_may_invalidate_often(breaker: Breaker, backend: Faulty) -> None:
    backend.takes = 0.05

    def visit() -> int:
        breaker.begin()
        return sum(1 for n in range(20) if breaker.invalidate([f"tag:{n}"], hard=True))

    assert contextvars.copy_context().run(visit) == 20
    assert breaker.open_since is None


JUNK: list[tuple[str, object]] = [
    ("get", "text"), ("put", None), ("sync", None), ("invalidate", False), ("invalidate", None),
    ("publish", "1"), ("acquire", True), ("acquire", None), ("renew", 1), ("read_note", 5),
    ("get_with_note", (b"page", 5)), ("get_with_note", (False, None)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "junk"), JUNK)
def test_an_answer_of_another_type_is_a_fault(
    name: str, junk: object, breaker: Breaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    junky = SimpleNamespace(**{name: lambda *args, **kwargs: junk})
    monkeypatch.setattr(breaker, "backend", junky)
    with pytest.raises(BackendUnavailable, match="it answered"):
        operations(breaker)[name]()
    assert breaker.open_since is not None


def test_a_probe_closes_it(breaker: Breaker, backend: Faulty) -> None:
    backend.error = RuntimeError("gone")
    with pytest.raises(BackendUnavailable):
        breaker.get("key", START)
    assert not breaker.probe()
    backend.error = None
    assert breaker.probe()
    assert breaker.get("key", START) is None


def test_a_slow_probe_does_not_close_it(breaker: Breaker, backend: Faulty) -> None:
    breaker.trip(RuntimeError("gone"))
    backend.takes = LIMIT + 0.01
    assert not breaker.probe()
    backend.takes = 0
    assert breaker.probe()


def test_a_closed_circuit_is_not_probed(breaker: Breaker, backend: Faulty) -> None:
    assert breaker.probe()
    assert backend.calls == 0


def test_a_configuration_error_of_the_store_is_an_outage_like_any_other(
    breaker: Breaker, backend: Faulty
) -> None:
    backend.error = ConfigurationError("a symbolic link")
    with pytest.raises(BackendUnavailable, match="a symbolic link"):
        breaker.get("key", START)
    assert breaker.open_since is not None


@pytest.mark.parametrize(
    "error", [UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogate"), OverflowError("too large")]
)
def test_what_no_store_can_hold_is_not_the_stores_fault(
    error: Exception, breaker: Breaker, backend: Faulty
) -> None:
    backend.error = error
    with pytest.raises(BackendUnavailable, match="cannot hold"):
        breaker.invalidate(["tag:\ud800"], hard=True)
    assert breaker.open_since is None


def test_rows_that_fail_midway_raise_and_open_the_circuit(
    breaker: Breaker, backend: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row_of(make_entry(path)) for path in ("/1", "/2")]

    def broken() -> Iterator[object]:
        yield from rows
        raise OSError("gone")

    monkeypatch.setattr(breaker, "backend", SimpleNamespace(rows=lambda prefix, tag: broken()))
    found = breaker.rows()
    assert [next(found), next(found)] == rows
    with pytest.raises(BackendUnavailable, match="OSError: gone"):
        next(found)
    assert breaker.open_since is not None


def test_many_keys_are_touched_in_batches(breaker: Breaker, backend: Faulty) -> None:
    backend.takes = 0.1
    breaker.touch([str(number) for number in range(2_000)], START)
    assert backend.calls == 4
    assert breaker.open_since is None


def test_one_outage_is_told_once(
    breaker: Breaker, backend: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    backend.error = RuntimeError("gone")
    for _ in range(5):
        with pytest.raises(BackendUnavailable):
            breaker.get("key", START)
        breaker.probe()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "RuntimeError: gone" in caplog.text


def test_a_store_that_comes_and_goes_is_told_of_once_a_minute(
    breaker: Breaker, backend: Faulty, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    def come_and_go() -> None:
        backend.error = RuntimeError("gone")
        with pytest.raises(BackendUnavailable):
            breaker.get("key", START)
        backend.error = None
        assert breaker.probe()
        clock.advance(10)

    for _ in range(6):
        come_and_go()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    come_and_go()
    come_and_go()
    assert len(caplog.records) == 4
    assert breaker.trips == 8


def test_an_outage_is_counted_once_and_timed(
    breaker: Breaker, backend: Faulty, clock: FakeClock
) -> None:
    assert (breaker.open_since, breaker.changed, breaker.trips) == (None, None, 0)
    opened = clock()
    breaker.trip(RuntimeError("gone"))
    clock.advance(5)
    breaker.trip(RuntimeError("of an operation that was under way"))
    assert (breaker.open_since, breaker.changed, breaker.trips) == (opened, opened, 1)
    assert breaker.probe()
    assert (breaker.open_since, breaker.changed, breaker.trips) == (None, opened + 5, 1)


def test_who_asks_by_name_probes_at_most_once_a_second(
    breaker: Breaker, backend: Faulty, clock: FakeClock
) -> None:
    breaker.trip(RuntimeError("gone"))
    backend.error = RuntimeError("gone")
    for _ in range(5):
        breaker.retry()
    assert backend.calls == 1
    backend.error = None
    clock.advance(0.9)
    breaker.retry()
    assert breaker.open_since is not None
    clock.advance(0.1)
    breaker.retry()
    assert breaker.open_since is None
    assert backend.calls == 2


def test_a_closed_circuit_is_not_retried(breaker: Breaker, backend: Faulty) -> None:
    breaker.retry()
    assert backend.calls == 0


def test_while_one_retries_the_others_are_not_held_up(breaker: Breaker, backend: Faulty) -> None:
    breaker.trip(RuntimeError("gone"))
    with breaker._retrying:
        breaker.retry()
    assert backend.calls == 0


def test_what_interrupts_a_program_passes_through(breaker: Breaker) -> None:
    def interrupted(key: str, now: float) -> bytes:
        raise KeyboardInterrupt

    breaker.backend = SimpleNamespace(get=interrupted)
    with pytest.raises(KeyboardInterrupt):
        breaker.get("key", START)
    assert breaker.open_since is None


def test_the_word_is_the_backends_also_while_open(breaker: Breaker, backend: Faulty) -> None:
    breaker.trip(RuntimeError("gone"))
    assert breaker.version is backend.version


def test_close_closes_the_backend_also_while_open(breaker: Breaker, backend: Faulty) -> None:
    nonce_of(backend)
    breaker.trip(RuntimeError("gone"))
    breaker.close()
    assert breaker.open_since is not None


def test_a_backend_without_a_queue_of_jobs_takes_none_and_is_well() -> None:
    class Plain(SimpleNamespace):
        version = (0,)

    breaker = Breaker(Plain(), LIMIT)  # type: ignore[arg-type]
    with pytest.raises(BackendUnavailable, match="no queue"):
        breaker.enqueue("q", "key", b"job", 10, START)
    assert breaker.open_since is None


def test_counts_that_fail_leave_the_circuit_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    breaker = Breaker(MemoryBackend(), 0.3)
    monkeypatch.setattr(breaker.backend, "counts_between", lambda *_: 1 / 0)
    monkeypatch.setattr(breaker.backend, "counts", lambda *_: 1 / 0)
    for read in (lambda: breaker.counts(0, 0.0), lambda: breaker.counts_between(60, 0.0, 60.0)):
        with pytest.raises(BackendUnavailable, match="division by zero"):
            read()
    assert breaker.open_since is None
