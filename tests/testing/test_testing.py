"""The doubles that isgware ships for tests."""

from __future__ import annotations

import doctest
import subprocess
import sys
from concurrent.futures import CancelledError, Executor

import pytest

from isgware import testing
from isgware.backends.base import Backend, Limits
from isgware.backends.memory import MemoryBackend
from isgware.core.stored_page import decode, encode
from isgware.testing import START, BackendContract, FakeClock, ManualExecutor, make_entry


def new_list() -> list[object]:
    return []


def test_the_examples_run() -> None:
    assert doctest.testmod(testing) == (0, 8)


def test_it_does_not_import_pytest() -> None:
    code = "import isgware.testing, sys; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_clock_stands_still_until_it_is_moved() -> None:
    clock = FakeClock()
    assert (clock(), clock()) == (START, START)
    clock.advance(1.5)
    assert clock() == START + 1.5
    clock.advance(-10)
    assert clock() == START - 8.5


def test_nothing_runs_before_it_is_told_to() -> None:
    executor, done = ManualExecutor(), new_list()
    futures = [executor.submit(done.append, number) for number in range(3)]
    assert isinstance(executor, Executor)
    assert (done, executor.pending) == ([], 3)
    assert executor.run_next()
    assert (done, executor.pending) == ([0], 2)
    assert [future.done() for future in futures] == [True, False, False]


def test_run_all_runs_what_is_submitted_meanwhile_too() -> None:
    executor, done = ManualExecutor(), new_list()
    executor.submit(lambda: executor.submit(done.append, "second"))
    assert executor.run_all() == 2
    assert done == ["second"]
    assert not executor.run_next()
    assert executor.run_all() == 0


def test_a_call_gets_its_arguments_and_its_future_the_result() -> None:
    executor = ManualExecutor()
    future = executor.submit(dict, [("a", 1)], b=2)
    executor.run_all()
    assert future.result(timeout=0) == {"a": 1, "b": 2}


def test_an_error_is_in_the_future() -> None:
    executor = ManualExecutor()
    future = executor.submit(int, "x")
    assert executor.run_next()
    with pytest.raises(ValueError, match="invalid literal"):
        future.result(timeout=0)


def test_what_interrupts_a_program_is_raised_as_well() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    executor = ManualExecutor()
    future = executor.submit(interrupt)
    with pytest.raises(KeyboardInterrupt):
        executor.run_next()
    assert isinstance(future.exception(timeout=0), KeyboardInterrupt)


def test_a_cancelled_call_is_passed_over() -> None:
    executor, done = ManualExecutor(), new_list()
    future = executor.submit(done.append, 1)
    executor.submit(done.append, 2)
    assert future.cancel()
    assert executor.run_next()
    assert done == [2]
    with pytest.raises(CancelledError):
        future.result(timeout=0)


def test_after_shutdown_it_refuses() -> None:
    executor, done = ManualExecutor(), new_list()
    executor.submit(done.append, 1)
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(done.append, 2)
    assert done == [1]


def test_shutdown_may_leave_or_drop_what_waits() -> None:
    kept, dropped, done = ManualExecutor(), ManualExecutor(), new_list()
    kept.submit(done.append, "kept")
    future = dropped.submit(done.append, "dropped")
    kept.shutdown(wait=False)
    dropped.shutdown(cancel_futures=True)
    assert kept.run_all() == 1
    assert dropped.run_all() == 0
    assert done == ["kept"]
    assert future.cancelled()


def test_an_entry_for_tests_survives_its_codec() -> None:
    entry = make_entry("/a", b"body", variant="de", tags=("t",), order=3)
    assert decode(encode(entry), entry.key) == entry
    assert (entry.request.variant, entry.order) == ("accept-language=de", 3)
    assert make_entry("/a").key != entry.key


class Forgetful(MemoryBackend):
    """Overwrites newer pages, as a backend would that does not compare."""

    def put(self, row, data, now):  # type: ignore[no-untyped-def]
        self.delete(row.key)
        return super().put(row, data, now)


def test_the_contract_finds_a_backend_that_breaks_it() -> None:
    class Contract(BackendContract):
        def make(self, limits: Limits) -> Backend:
            return Forgetful(limits)

    contract = Contract()
    contract.test_get_returns_what_was_put()
    with pytest.raises(AssertionError):
        contract.test_an_older_render_never_overwrites_a_newer()


def test_the_contract_asks_for_a_backend() -> None:
    with pytest.raises(NotImplementedError):
        BackendContract().test_is_a_backend()
