"""Random operations against a model: nobody ever sees what they may not, whatever happens at once.

Visits, edits, soft and hard invalidations by path, tag, prefix and all, regenerations, workers
killed, Redis restarted; from several clients, over each kind of fleet. CONTRIBUTING.md tells how to
run ten thousand of them, or others.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.client import eventually
from tests.integration.fleets import FLEETS, Fleet
from tests.integration.model import Visit
from tests.integration.operations import PATHS, Crowd

OPERATIONS = int(os.environ.get("MODEL_OPERATIONS", "1500"))
SEED = int(os.environ.get("MODEL_SEED", "1"))


@pytest.mark.parametrize("name", FLEETS)
def test_p6_nobody_sees_what_they_may_not(name: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with FLEETS[name](tmp_path, data) as fleet:
        crowd = Crowd(fleet, data, SEED, OPERATIONS)
        started = time.monotonic()
        crowd.run()
        seconds = time.monotonic() - started
        settle(crowd)
        assert not crowd.report(), f"{crowd.report()}\n{fleet.said()}"
    labels = Counter(visit.label for visit in crowd.history.visits)
    print(f"{name}: {OPERATIONS} operations in {seconds:.0f} s, seed {SEED}, {dict(labels)}, "
          f"{len(crowd.history.said)} calls, slack {crowd.history.slack:.2f} s")  # fmt: skip
    assert_that_much_happened(crowd, labels, fleet)


def settle(crowd: Crowd) -> None:
    """When nothing is done to it any more, every page becomes a new one that is fresh."""
    quiet = time.monotonic()
    draw = random.Random(crowd.seed)
    server = draw.choice(crowd.fleet.servers)
    eventually(
        lambda: server.do("revalidate_tag", "pages"), lambda it: "error" not in it, within=60
    )
    time.sleep(crowd.fleet.slack)

    def is_new(visit: Visit | None) -> bool:
        return visit is not None and visit.label == "HIT" and visit.begun > quiet

    for path in PATHS[::6]:
        eventually(lambda: crowd.visit(path, draw), is_new, within=60)  # noqa: B023


def assert_that_much_happened(crowd: Crowd, labels: Counter[str], fleet: Fleet) -> None:
    """Lest the model approve of nothing at all."""
    visits = len(crowd.history.visits)
    assert visits > OPERATIONS / 2
    assert labels["HIT"] > visits / 8
    assert min(labels["STALE"], labels["REVALIDATED"], labels["MISS"]) > visits / 100
    assert len(crowd.history.said) > OPERATIONS / 10
    assert len({visit.pid for visit in crowd.history.visits}) > len(fleet.servers) + 2
    assert len(crowd.history.outages) == (2 if fleet.redis is not None else 0)
