"""Leases of a `file:` store whose owner's process is gone."""

from __future__ import annotations

import os

import pytest

from isgware.backends.base import Lease
from isgware.backends.sqlite import lease_owner
from isgware.backends.sqlite.backend import SQLiteBackend
from isgware.backends.sqlite.lease_owner import is_gone, new_token
from isgware.testing.backend_suite import acquire
from tests.backends.children import Child, in_child


def test_a_lease_whose_owner_was_killed_is_free_at_once(store: SQLiteBackend) -> None:
    token = in_child(lambda: getattr(acquire(store), "token", ""))
    taken = acquire(store)
    assert isinstance(taken, Lease)
    assert taken.token != token


def test_a_lease_whose_owner_runs_is_held(store: SQLiteBackend) -> None:
    assert acquire(store) is not None
    assert in_child(lambda: acquire(store)) is None


def test_a_process_that_ended_and_was_not_waited_for_is_gone() -> None:
    child = Child(new_token)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    zombie = _of(child.pid)
    assert is_gone(zombie)
    assert child.result() != ""
    assert is_gone(zombie)


def test_a_pid_that_another_process_has_by_now_is_another_owner() -> None:
    parts = _of(os.getppid()).split(":")
    assert not is_gone(":".join(parts))
    assert is_gone(":".join([*parts[:3], "1"]))


@pytest.mark.parametrize("token", ["", "0123456789abcdef", "a:b:c:d", "a::1:2", "a:b:1:2:3"])
def test_an_owner_that_is_not_known_counts_as_running(token: str) -> None:
    assert not is_gone(token)


def test_an_owner_of_another_namespace_or_boot_counts_as_running() -> None:
    random, _, _, started = new_token().split(":")
    assert not is_gone(f"{random}:elsewhere:{2**22 + 1}:{started}")


def test_without_proc_every_owner_counts_as_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_owner, "_namespace", lambda pid: "")
    assert not is_gone(f"0:{''}:{2**22 + 1}:1")
    assert not is_gone(new_token())


def _of(pid: int) -> str:
    """The token of a lease that process ``pid`` has."""
    random, namespace, _, _ = new_token().split(":")
    return f"{random}:{namespace}:{pid}:{lease_owner._started(pid)}"
