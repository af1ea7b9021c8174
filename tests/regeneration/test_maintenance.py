"""The thread that renews leases: what it ends, and when it ends itself."""

from __future__ import annotations

import gc
import threading
import weakref

from isgware.backends.base import Lease
from isgware.regeneration.maintenance import Maintenance

LONG = 60.0


def test_a_lease_of_a_render_that_takes_too_long_is_ended() -> None:
    ended: list[Lease] = []
    maintenance = Maintenance(LONG, LONG, -1.0, lambda lease: True, ended.append)
    lease = Lease("key", "token", 1)
    maintenance.hold(lease)
    maintenance.tick()
    maintenance.tick()
    assert ended == [lease]
    maintenance.close()


def test_a_lease_that_is_lost_is_not_ended() -> None:
    ended: list[Lease] = []
    maintenance = Maintenance(LONG, LONG, LONG, lambda lease: False, ended.append)
    maintenance.hold(Lease("key", "token", 1))
    maintenance.tick()
    assert ended == []
    maintenance.close()


def test_its_thread_does_not_keep_it() -> None:
    ticked = threading.Event()
    maintenance = Maintenance(0.01, LONG, LONG, lambda lease: True, lambda lease: None)
    maintenance.tasks.append(ticked.set)
    maintenance.start()
    thread, left = maintenance._thread, weakref.ref(maintenance)
    assert thread is not None
    assert ticked.wait(LONG)
    del maintenance
    thread.join(LONG)
    gc.collect()
    assert not thread.is_alive()
    assert left() is None
