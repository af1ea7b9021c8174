"""gevent that comes after the app was made: no lock is held from before while a greenlet waits."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import unavailable
from tests.stores import Redis, running

SITE = Path(__file__).with_name("gevent_late.py")


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running(Redis()) as server:
        yield server.url


@pytest.mark.parametrize(
    ("store", "where"),
    [("file:store", "fork"), ("redis", "fork"), ("file:store", "here"), ("redis", "here"),
     ("memory:", "here"), ("SimpleCache", "here")],
)  # fmt: skip
def test_p4_visitors_of_a_worker_that_gevent_patches_late_all_get_their_page(
    store: str, where: str, tmp_path: Path, redis_url: str
) -> None:
    if importlib.util.find_spec("gevent") is None:
        unavailable("gevent is not installed")
    place = f"{redis_url}?namespace={where}" if store == "redis" else store
    done = subprocess.run(
        [sys.executable, str(SITE), place, where], cwd=tmp_path, capture_output=True, text=True,
        check=False, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"visits": 24, "pages": 16, "renders": 2}
    assert "out of reach" not in done.stderr
