"""Delegation: sends regeneration jobs to ``isgware worker`` or to another fleet, such as Celery's.

A job (see `shared_jobs`) is sent through a `Carrier`: a `Queue` in the store for ``isgware
worker``, `isgware.celery` for Celery. Workers write a heartbeat into one note of the store. It is
read once a second at most, and never while a visitor waits. A page whose job is not done in time is
rendered in this process.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, runtime_checkable

from ..backends.base import Job
from ..backends.breaker import Breaker
from ..core.stored_page import Entry
from ..errors import BackendUnavailable, ConfigurationError
from ..routing.planner import Target
from ..settings import Settings
from ..storage.notes import Failure
from .shared_jobs import encode_job

#: After a lost job nothing is delegated for this many times the patience.
_PAUSE: Final = 6
#: Seconds between two checks for a worker, and between the heartbeats of a worker.
BEAT: Final = 1.0
#: Attempts that are remembered; at the limit the oldest is dropped, and may be delegated again.
_MAX_DELEGATED: Final = 4_096
#: Requests that are counted between two reports; if there are more, the latest.
_MAX_REQUESTS: Final = 10_000


@runtime_checkable
class Carrier(Protocol):
    """Sends jobs to another process. Its calls do not raise, and take one second at most."""

    def there(self) -> bool:
        """Whether a process that does the jobs seems to be running."""

    def send(self, key: str, job: bytes) -> bool:
        """Accept a job; false if that is not possible now."""


@runtime_checkable
class Ranking(Carrier, Protocol):
    """A carrier that orders jobs by the number of requests."""

    def rank(self, requests: Mapping[str, int]) -> None:
        """Raise the priority of keys that still wait. Does not raise an exception."""


@runtime_checkable
class JobExecutor(Carrier, Protocol):
    """A value of ``executor=`` that sends jobs to other machines, in place of an executor of
    threads."""

    def bind(self, runtime: Any) -> None:
        """Attach to the app whose jobs these are, by its `isgware.runtime.Runtime`. The same app
        does them in another process."""


class Handoff:
    """The jobs that this process has delegated, and whether they are done in time. Without a
    ``carrier`` it delegates none. ``patience``: seconds after which a job counts as lost.
    """

    def __init__(
        self, carrier: Carrier | None, patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._carrier = carrier
        self._patience = patience
        self._clock = clock
        self._paused_until = float("-inf")
        self._reset()

    def _reset(self) -> None:
        self._delegated: OrderedDict[str, tuple[Any, float]] = OrderedDict()
        self._requested: deque[str] = deque(maxlen=_MAX_REQUESTS)
        self._lock = threading.Lock()

    def after_fork(self) -> None:
        """Make new locks: those of the parent process may be held."""
        self._reset()

    def delegate(self, target: Target, entry: Entry, failure: Failure | None) -> bool:
        """Delegate the render of the page that replaces ``entry``, after a ``failure`` if there was
        one. False if it has to be rendered in this process."""
        key, now = target.key, self._clock()
        # A changed page, or another failure, counts as a new attempt.
        failures = failure.count if failure is not None else 0
        attempt = (entry.rendered_at, entry.generation, entry.order, failures)
        with self._lock:
            known, since = self._delegated.get(key, (None, now))
            if known != attempt:  # the earlier attempt has ended
                self._delegated.pop(key, None)
        if self._carrier is None or not self._carrier.there():
            return False
        if known == attempt:
            return now - since < self._patience
        if now < self._paused_until or not self._carrier.send(key, encode_job(key, target.request)):
            return False
        with self._lock:
            self._delegated[key] = (attempt, now)
            self._delegated.move_to_end(key)
            while len(self._delegated) > _MAX_DELEGATED:
                self._delegated.popitem(last=False)
        return True

    def count_request(self, key: str) -> None:
        """Count a visitor's request for a page that may have been delegated. Takes no lock."""
        if key in self._delegated:
            self._requested.append(key)

    def send_demand(self) -> None:
        """Send the counts of requests for delegated pages, in one operation. Call it about once a
        second."""
        requests = Counter(self._requested.popleft() for _ in range(len(self._requested)))
        if requests and isinstance(self._carrier, Ranking):
            self._carrier.rank(requests)

    def job_was_lost(self, key: str) -> None:
        """No worker has rendered this page, so this process does. If its job had its full time,
        workers are probably overloaded, and no job is delegated for a while."""
        now = self._clock()
        with self._lock:
            known, since = self._delegated.pop(key, (None, now))
        if known is not None and now - since >= self._patience:
            self._paused_until = now + _PAUSE * self._patience


class Queue:
    """The queue of one build in the store, and the heartbeat of its workers.

    ``silence``: seconds without a heartbeat after which a worker counts as gone; ``hold``: seconds
    for which a job belongs to the worker that took it.
    """

    def __init__(
        self,
        store: Breaker,
        build_id: str,
        limit: int,
        silence: float,
        hold: float,
        now: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._build_id = build_id
        self._limit = limit
        self._silence = silence
        self._hold = hold
        self._now = now
        self._clock = clock
        self._looked = float("-inf")
        self._there = False

    def there(self) -> bool:
        moment = self._clock()
        if not self._looked <= moment < self._looked + min(BEAT, self._silence / 2):
            self._looked = moment
            try:
                self._there = bool(self.workers())
            except BackendUnavailable:
                self._there = False
        return self._there

    def send(self, key: str, job: bytes) -> bool:
        try:
            return self._store.enqueue(self._build_id, key, job, self._limit, self._now())
        except BackendUnavailable:
            return False

    def rank(self, requests: Mapping[str, int]) -> None:
        with contextlib.suppress(BackendUnavailable):
            self._store.raise_priority(self._build_id, requests)

    # For the worker. These raise `BackendUnavailable`.

    def take(self) -> Job | None:
        """The job with the highest priority. It is queued again unless it is `done`, when the lease
        of a worker that died has ended."""
        return self._store.dequeue(self._build_id, self._now(), self._hold)

    def done(self, job: Job) -> None:
        """Delete a job: it needs no second attempt."""
        self._store.done(self._build_id, job)

    def waiting(self) -> int:
        """The number of waiting jobs."""
        return self._store.queued(self._build_id, self._now())

    def workers(self) -> dict[str, float]:
        """The workers, and the time of each one's last heartbeat."""
        now = self._now()
        try:
            beats = json.loads(self._store.read_note(self._note, now) or b"{}")
            # A heartbeat from the future was written before the clock was put back.
            return {
                str(name): float(at)
                for name, at in beats.items()
                if abs(now - float(at)) < self._silence
            }
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return {}

    def beat(self, name: str, *, last: bool = False) -> None:
        """Write a heartbeat; the ``last`` one says that the worker ends. Of two that are written at
        the same moment one may be lost; the next follows a second later."""
        beats = self.workers()
        beats.pop(name, None)
        if not last:
            beats[name] = self._now()
        if beats:
            value = json.dumps(beats).encode()
            self._store.write_note(self._note, value, self._silence, self._now())
        else:
            self._store.drop_note(self._note)

    @property
    def _note(self) -> str:
        return f"w:{self._build_id}"


def patience_of(settings: Settings) -> float:
    """Seconds without a heartbeat, or for one job, after which a worker counts as gone."""
    return settings.lease_time / 2


def queue_of(settings: Settings, store: Breaker, now: Callable[[], float]) -> Queue:
    """The queue of the settings' build."""
    patience, hold = patience_of(settings), settings.lease_time
    return Queue(store, settings.build_id, settings.queue_size, patience, hold, now)


def handoff_of(
    settings: Settings, store: Breaker, now: Callable[[], float], *, shared: bool
) -> Handoff:
    """The delegation of this process; without a carrier if the store is not ``shared`` with others.

    Raises `ConfigurationError` if such a store is to be filled by another fleet.
    """
    executor = settings.executor if isinstance(settings.executor, JobExecutor) else None
    if shared:
        return Handoff(executor or queue_of(settings, store, now), patience_of(settings))
    if executor is not None and settings.enabled is not False:
        raise ConfigurationError(
            f"executor={type(executor).__name__} renders in other processes, which cannot fill "
            "this store; give store='redis://HOST', or 'file:DIR' on one host."
        )
    return Handoff(None, patience_of(settings))
