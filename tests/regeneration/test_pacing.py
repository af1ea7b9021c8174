"""`isgware.regeneration.pacing`: background renders keep out of the way of visitors."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from isgware.regeneration import pacing
from isgware.regeneration.pacing import SHORT, WINDOW, Throttle, _Switching, thread_clock

PYTHONS_OWN = 0.005
#: Seconds that are enough to judge; a power of two, so that clocks add up.
LONG_ENOUGH = 2 * 2**-6


# The switch interval.


@pytest.fixture
def switching(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for ``sys``, so that pools of other tests do not interfere."""
    found = SimpleNamespace(interval=PYTHONS_OWN, gil=True)
    found.getswitchinterval = lambda: found.interval
    found.setswitchinterval = lambda seconds: setattr(found, "interval", seconds)
    found._is_gil_enabled = lambda: found.gil
    monkeypatch.setattr(pacing, "sys", found)
    monkeypatch.setattr(pacing, "_switching", _Switching())
    return found


def test_the_interval_is_short_while_a_render_runs(switching: SimpleNamespace) -> None:
    with pacing.short_switches():
        assert switching.interval == SHORT
    assert switching.interval == PYTHONS_OWN


def test_the_interval_is_short_until_the_last_render_is_over(switching: SimpleNamespace) -> None:
    with pacing.short_switches():
        with pacing.short_switches():
            pass
        assert switching.interval == SHORT
    assert switching.interval == PYTHONS_OWN


def test_the_interval_is_restored_when_a_render_raises(switching: SimpleNamespace) -> None:
    with pytest.raises(KeyError), pacing.short_switches():
        raise KeyError
    assert switching.interval == PYTHONS_OWN


@pytest.mark.parametrize("chosen", [0.0001, 0.001, 0.05])
def test_an_interval_that_somebody_chose_stays(switching: SimpleNamespace, chosen: float) -> None:
    switching.interval = chosen
    with pacing.short_switches():
        assert switching.interval == chosen
    assert switching.interval == chosen


def test_an_interval_that_is_chosen_while_a_render_runs_stays(switching: SimpleNamespace) -> None:
    with pacing.short_switches():
        switching.interval = 0.01
    assert switching.interval == 0.01


def test_without_the_lock_there_is_nothing_to_switch(switching: SimpleNamespace) -> None:
    switching.gil = False
    with pacing.short_switches():
        assert switching.interval == PYTHONS_OWN


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=300
    )
    assert done.stderr == ""
    return done.stdout


def test_a_child_process_that_is_forked_meanwhile_has_pythons_own_interval() -> None:
    out = run(
        "import os, sys\n"
        "from isgware.regeneration.pacing import short_switches\n"
        "with short_switches():\n"
        "    if not os.fork():\n"
        "        print(sys.getswitchinterval(), flush=True)\n"
        "        with short_switches(): print(sys.getswitchinterval(), flush=True)\n"
        "        print(sys.getswitchinterval(), flush=True)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
        "print(sys.getswitchinterval())\n"
    )
    assert out.split() == [str(PYTHONS_OWN), str(SHORT), str(PYTHONS_OWN), str(PYTHONS_OWN)]


@pytest.mark.parametrize(
    ("gives_way", "interval"), [(True, SHORT), (False, PYTHONS_OWN)], ids=["web", "worker"]
)
def test_a_pool_gives_way_where_visitors_are_served(gives_way: bool, interval: float) -> None:
    out = run(
        "import sys, threading\n"
        "from isgware.regeneration.local_queue import Work\n"
        "from isgware.regeneration.render_threads import Pool\n"
        f"pool = Pool(1, 10, 60, 10, gives_way={gives_way})\n"
        "began, go = threading.Event(), threading.Event()\n"
        "pool.submit(Work('k', lambda: (began.set(), go.wait(60))))\n"
        "began.wait(60); print(sys.getswitchinterval())\n"
        "go.set(); pool.close(); print(sys.getswitchinterval())\n"
    )
    assert out.split() == [str(interval), str(PYTHONS_OWN)]


# How many at a time.


def test_what_is_enough_to_judge_is_a_window() -> None:
    assert LONG_ENOUGH / 2 < WINDOW <= LONG_ENOUGH


class Machine:
    """Clocks that stand still until told: renders are numbered, and each has a thread's clock."""

    def __init__(self, most: int = 4) -> None:
        self.now = self.process = 0.0
        self.threads: dict[int, float] = {}
        self.clock: int | None = 0
        self.throttle = Throttle(
            most,
            lambda: self.now,
            lambda: self.process,
            lambda: self.clock,
            lambda clock: self.threads[clock],
        )

    def begin(self, *numbers: int) -> None:
        for number in numbers:
            self.clock = number
            self.threads[number] = 0.0
            self.throttle.begin(number)

    def goes_on(self, seconds: float, *, cpu: float, others: float = 0.0) -> None:
        """Time goes by, in which each render computes for a share of it, and the rest of the
        process for another."""
        self.now += seconds
        for number in self.threads:
            self.threads[number] += cpu * seconds
        self.process += (cpu * len(self.threads) + others) * seconds

    def allows(self) -> int:
        self.throttle.allows(len(self.threads))
        return self.throttle.allowed


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_the_first_render_runs_alone_at_first(machine: Machine) -> None:
    assert machine.throttle.allows(0)
    machine.begin(1)
    assert not machine.throttle.allows(1)


def test_one_that_computes_stays_alone(machine: Machine) -> None:
    machine.begin(1)
    for _ in range(5):
        machine.goes_on(LONG_ENOUGH, cpu=0.95)
        assert machine.allows() == 1


def test_those_that_wait_run_side_by_side(machine: Machine) -> None:
    found = []
    for number in range(1, 6):
        machine.begin(number)
        machine.goes_on(LONG_ENOUGH, cpu=0.02)
        found.append(machine.allows())
    assert found == [2, 3, 4, 4, 4]


def test_there_are_as_many_as_leave_time_for_others(machine: Machine) -> None:
    """Of renders that compute a fifth of their time, and a bit: two take more than two fifths."""
    for number in (1, 2):
        machine.begin(number)
        machine.goes_on(LONG_ENOUGH, cpu=0.22)
        machine.allows()
    assert machine.throttle.allowed == 2


def test_one_that_computes_half_of_its_time_stays_alone(machine: Machine) -> None:
    machine.begin(1)
    for _ in range(5):
        machine.goes_on(LONG_ENOUGH, cpu=0.5)
        assert machine.allows() == 1


def test_when_they_begin_to_compute_it_is_one_again(machine: Machine) -> None:
    for number in (1, 2, 3):
        machine.begin(number)
        machine.goes_on(LONG_ENOUGH, cpu=0.1)
        machine.allows()
    assert machine.throttle.allowed == 4
    machine.goes_on(LONG_ENOUGH, cpu=0.25)
    assert machine.allows() == 1


def test_visitors_who_take_most_of_the_time_do_not_hide_a_render_that_takes_the_rest(
    machine: Machine,
) -> None:
    machine.begin(1)
    machine.goes_on(LONG_ENOUGH, cpu=0.3, others=0.7)
    assert machine.allows() == 1


def test_visitors_who_take_much_do_not_count_against_renders_that_wait(machine: Machine) -> None:
    machine.begin(1)
    machine.goes_on(LONG_ENOUGH, cpu=0.03, others=0.7)
    assert machine.allows() == 2


def test_it_takes_a_while_to_judge(machine: Machine) -> None:
    machine.begin(1)
    machine.goes_on(LONG_ENOUGH / 2, cpu=0.0)
    assert machine.allows() == 1
    machine.goes_on(LONG_ENOUGH / 2, cpu=0.0)
    assert machine.allows() == 2


def test_short_renders_are_judged_together_and_the_time_between_them_is_not(
    machine: Machine,
) -> None:
    for number in range(1, 5):
        machine.threads.clear()
        machine.begin(number)
        machine.goes_on(LONG_ENOUGH / 4, cpu=0.95)
        machine.throttle.end(number)
        machine.threads.clear()
        machine.goes_on(10.0, cpu=0.0)
    assert machine.throttle.allowed == 1


def test_more_are_allowed_only_while_as_many_run(machine: Machine) -> None:
    machine.begin(1)
    for _ in range(5):
        machine.goes_on(LONG_ENOUGH, cpu=0.0)
        assert machine.allows() == 2


def test_one_that_was_given_up_holds_up_no_other(machine: Machine) -> None:
    """It may compute for ever: then it is one of the others, with whom renders share."""
    machine.begin(1)
    machine.goes_on(LONG_ENOUGH, cpu=1.0)
    machine.throttle.end(1)
    assert machine.throttle.allows(0)


def test_where_nothing_can_be_told_as_many_run_as_there_may_be(machine: Machine) -> None:
    machine.clock = None
    machine.throttle.begin(1)
    assert machine.throttle.allowed == 4


def test_without_the_lock_as_many_run_as_there_may_be(
    machine: Machine, switching: SimpleNamespace
) -> None:
    switching.gil = False
    machine.begin(1)
    assert machine.throttle.allowed == 4


def test_a_threads_clock_can_be_read_by_another_thread() -> None:
    found: list[int | None] = []
    burnt, go = threading.Event(), threading.Event()

    def burn() -> None:
        found.append(thread_clock())
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass
        burnt.set()
        go.wait(60)

    thread = threading.Thread(target=burn)
    thread.start()
    assert burnt.wait(60)
    clock = found[0]
    assert clock is not None
    assert time.clock_gettime(clock) >= 0.02
    go.set()
    thread.join()


def test_a_thread_whose_clock_must_not_be_read_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(clock: int) -> float:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(time, "clock_gettime", refuse)
    assert thread_clock() is None


def test_greenlets_have_no_clock_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "get_ident", lambda: 1)
    assert thread_clock() is None
