"""What a process counts, and how it comes to the store."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Thread

import pytest

from isgware import connect
from isgware.backends.breaker import Breaker
from isgware.backends.memory import MemoryBackend
from isgware.core.series import MAX_ROUTES, MAX_SERIES, OTHER, name_of, overflow_of, parts_of
from isgware.errors import BackendUnavailable
from isgware.storage.counting import Counts
from isgware.testing import FakeClock


class Slow(MemoryBackend):
    """Takes what it is told, and then says nothing for so many times; ``deaf``, it takes none."""

    times = 0
    deaf = False

    def add_counts(
        self, process: str, number: int, amounts: Mapping[str, float], now: float
    ) -> None:
        if not self.deaf:
            super().add_counts(process, number, amounts, now)
        if self.times or self.deaf:
            self.times = max(0, self.times - 1)
            raise TimeoutError("no answer")


@pytest.fixture
def store() -> Slow:
    return Slow()


@pytest.fixture
def counts(store: Slow) -> Counts:
    return Counts(Breaker(store, 1.0), FakeClock())


def totals(store: MemoryBackend) -> dict[tuple[str, ...], float]:
    found = {parts_of(name): amount for _, name, amount in store.counts(0, 0.0)}
    found.pop(("since",), None)
    return found


def test_a_cell_is_told_once_whatever_it_is_read(counts: Counts, store: Slow) -> None:
    cell = counts.cell("posts", "hit")
    for round_ in range(1, 4):
        for _ in range(5):
            cell.value += 1
        counts.flush()
        counts.flush()
        assert totals(store) == {("requests", "posts", "hit", ""): 5 * round_}


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """The interpreter switches between threads as often as it can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("eager_switching")
def test_nothing_is_lost_between_threads(counts: Counts, store: Slow) -> None:
    cell = counts.cell("posts", "hit")

    def visit() -> None:
        for _ in range(10_000):
            cell.value += 1
            counts.cell("posts", "hit").value += 1

    threads = [Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        counts.flush()
    for thread in threads:
        thread.join()
    counts.flush()
    assert totals(store) == {("requests", "posts", "hit", ""): 160_000}


def test_a_repeat_after_a_timeout_is_not_counted_twice(counts: Counts, store: Slow) -> None:
    store.times = 2
    counts.cell("posts", "miss").value += 1
    for _ in range(2):
        with pytest.raises(BackendUnavailable):
            counts.flush()
        counts.cell("posts", "miss").value += 1
    counts.flush()
    counts.flush()
    assert totals(store) == {("requests", "posts", "miss", ""): 3}


def test_what_the_store_did_not_take_is_not_lost(counts: Counts, store: Slow) -> None:
    store.deaf = True
    for _ in range(2):
        counts.cell("posts", "miss").value += 1
        with pytest.raises(BackendUnavailable):
            counts.flush()
    store.deaf = False
    counts.flush()
    counts.flush()
    assert totals(store) == {("requests", "posts", "miss", ""): 2}


def test_a_store_that_takes_no_counts_is_not_given_up(counts: Counts, store: Slow) -> None:
    store.times = 1
    counts.cell("posts", "miss").value += 1
    with pytest.raises(BackendUnavailable):
        counts.flush()
    assert counts._store.open_since is None


def test_renders_and_what_hits_save(counts: Counts, store: Slow) -> None:
    counts.takes("posts", 0.2)
    counts.rendered("posts", "rendered", 0.2, 100)
    counts.rendered("posts", "rendered", 0.2, 100, unchanged=True)
    for _ in range(3):
        counts.cell("posts", "hit").value += 1
    counts.cell("posts", "miss").value += 1
    counts.flush()
    found = totals(store)
    assert found["renders", "posts", "rendered"] == 2
    assert found["render_bucket", "posts", "0.25"] == 2
    assert found["render_seconds", "posts"] == pytest.approx(0.4)
    assert found["render_bytes", "posts"] == 200
    assert found["unchanged", "posts"] == 1
    assert found["saved", "posts"] == pytest.approx(0.6)


def test_too_many_routes_are_counted_as_other(counts: Counts, store: Slow) -> None:
    for number in range(MAX_ROUTES + 5):
        counts.cell(f"route {number}", "hit").value += 1
    counts.flush()
    found = totals(store)
    assert len(found) == MAX_ROUTES + 1
    assert found["requests", OTHER, "hit", ""] == 5


def test_too_many_series_are_counted_as_other(counts: Counts, store: Slow) -> None:
    for number in range(MAX_SERIES + 5):
        counts.cell("posts", "bypass", f"reason {number}").value += 1
    counts.flush()
    found = totals(store)
    assert len(found) == MAX_SERIES  # and since when
    assert len(counts._names) == MAX_SERIES + 1, "nor does the process keep more"
    assert sum(found.values()) == MAX_SERIES + 5
    assert found["requests", OTHER, "bypass", OTHER] == 6


def test_overflow_keeps_results_and_outcomes_apart() -> None:
    assert overflow_of(name_of("requests", "a", "hit", "b")) == '["requests","other","hit","other"]'
    assert overflow_of(name_of("renders", "a", "failed")) == '["renders","other","failed"]'
    assert overflow_of(name_of("saved", "a")) == '["saved","other"]'


_FORKS = """
import os, sys
from isgware import ISG
from isgware.core.series import parts_of
isg = ISG(lambda environ, start: [], store=sys.argv[1], enabled=True)
counts = isg.runtime.counts
cell = counts.cell("posts", "hit")
for _ in range(3): cell.value += 1
child = os.fork()
if not child:
    for _ in range(5): cell.value += 1
    counts.flush()
    for _ in range(100): cell.value += 1
    os._exit(9)  # as if killed: what it had not told yet is lost, and nothing else
os.waitpid(child, 0)
cell.value += 1
counts.flush()
found = {parts_of(name): amount for _, name, amount in isg.runtime.store.counts(0, 0.0)}
assert found["requests", "posts", "hit", ""] == 9, found
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_counts_are_right_across_processes_of_which_one_is_killed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORKS, f"file:{tmp_path}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


_ENDS = """
import sys
from isgware import ISG
told = []
isg = ISG(lambda environ, start: [], store=sys.argv[1], enabled=True, observer=told.append)
isg.runtime.counts.cell("posts", "hit").value += 1
"""


def test_what_was_counted_is_told_when_the_process_ends(tmp_path: Path) -> None:
    store = f"file:{tmp_path}"
    done = subprocess.run(
        [sys.executable, "-c", _ENDS, store],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    with connect(store) as found:
        counted = {parts_of(name): n for _, name, n in found.store.counts(0, 0.0)}
    assert counted["requests", "posts", "hit", ""] == 1


_SERVES = """
import os, sys, threading
from werkzeug.test import Client
from werkzeug.wrappers import Response
from isgware import ISG, Policy
isg = ISG(Response("page"), store=sys.argv[1], enabled=True, routes={"/": Policy(revalidate=60)})
client = Client(isg)
for _ in range(3): client.get("/")
child = os.fork()
if not child:
    for _ in range(2): assert client.get("/").headers["X-ISG-Cache"] == "HIT"
    os._exit("isgware-maintenance" not in [each.name for each in threading.enumerate()])
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_only_serves_prepared_hits_tells_its_counts_too(tmp_path: Path) -> None:
    quiet = ("-W", "ignore::DeprecationWarning")  # Python 3.12 warns of forks where threads run
    done = subprocess.run(
        [sys.executable, *quiet, "-c", _SERVES, f"file:{tmp_path}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
