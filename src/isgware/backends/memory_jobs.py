"""The queue of regenerations within one process."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from .base import JOB_TIME, MAX_PRIORITY, TAKES, Job

#: Seconds ahead: a later end was set before the clock was put back.
_LONGEST: Final = 2 * JOB_TIME


@dataclass(slots=True)
class _Waiting:
    job: Job
    until: float
    priority: int = 1
    takes: int = 0
    held: float = 0.0

    def is_held(self, now: float) -> bool:
        return now < self.held <= now + _LONGEST


@dataclass(slots=True)
class Jobs:
    """`JobQueue` without a lock: its owner has one."""

    _queues: dict[str, dict[str, _Waiting]] = field(default_factory=dict)
    _tickets: itertools.count[int] = field(default_factory=itertools.count)

    def enqueue(self, queue: str, key: str, data: bytes, limit: int, now: float) -> bool:
        jobs = self._alive(queue, now)
        known = jobs.get(key)
        if known is not None and not known.is_held(now):
            self.raise_priority(queue, {key: 1})
            return True
        jobs.pop(key, None)
        if self.queued(queue, now) >= limit:
            return False
        job = Job(key, next(self._tickets), data)
        self._queues.setdefault(queue, {})[key] = _Waiting(job, now + JOB_TIME)
        return True

    def raise_priority(self, queue: str, requests: Mapping[str, int]) -> None:
        jobs = self._queues.get(queue, {})
        for key, count in requests.items():
            if key in jobs:
                jobs[key].priority = min(jobs[key].priority + count, MAX_PRIORITY)

    def dequeue(self, queue: str, now: float, hold: float) -> Job | None:
        jobs = self._alive(queue, now)
        waiting = [each for each in jobs.values() if not each.is_held(now)]
        for each in sorted(waiting, key=lambda each: (-each.priority, each.job.ticket)):
            if each.takes < TAKES:
                each.takes, each.held = each.takes + 1, now + hold
                return each.job
            del jobs[each.job.key]
        return None

    def done(self, queue: str, job: Job) -> None:
        jobs = self._queues.get(queue, {})
        known = jobs.get(job.key)
        if known is not None and known.job.ticket == job.ticket:
            del jobs[job.key]

    def queued(self, queue: str, now: float) -> int:
        return sum(not each.is_held(now) for each in self._alive(queue, now).values())

    def _alive(self, queue: str, now: float) -> dict[str, _Waiting]:
        jobs = self._queues.get(queue, {})
        for key in [key for key, each in jobs.items() if not now < each.until <= now + _LONGEST]:
            del jobs[key]
        if not jobs:
            self._queues.pop(queue, None)
        return jobs
