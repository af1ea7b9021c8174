"""The circuit in front of a backend (P4): one slow or failing operation opens it.

While it is open, operations fail at once with `BackendUnavailable`, so that visitors do not wait; a
probe in the background closes it again. A backend's own exceptions do not pass through.

Operations on the table of invalidations are still tried while others fail, if the table is in
another service than the pages, or if a version in memory shows that other processes can write it.
Otherwise a page that is purged meanwhile would be served from memory.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from ..errors import BackendUnavailable, ConfigurationError
from .base import Backend, NotTaken
from .read_ahead import ReadAhead, current

T = TypeVar("T")
log: Final = logging.getLogger("isgware")
#: Seconds between two messages about the same outage.
_QUIET: Final = 60.0
#: Seconds between two probes by callers.
_RETRY: Final = 1.0
#: Kinds of operations on the table of invalidations.
_TABLE: Final = ("sync", "invalidate")


class Circuit:
    """Guards ``backend``. ``limit``: seconds after which an operation is too slow.

    ``on_open`` is called when the circuit opens, to start the probes. ``open_since``: by the
    monotonic clock, ``None`` while it is closed. ``changed``: when it last opened or closed,
    ``None`` if never. ``trips``: how often it opened.
    """

    def __init__(
        self, backend: Backend, limit: float, on_open: Callable[[], None] = lambda: None
    ) -> None:
        self.backend = backend
        self.limit = limit
        self.on_open = on_open
        self.open_since: float | None = None
        self._spared: tuple[str, ...] = ()
        self.changed: float | None = None
        self.trips = 0
        self._retrying = threading.Lock()
        self._retried = float("-inf")
        self._logged_at = float("-inf")
        self._announced = False

    @property
    def version(self) -> Sequence[int]:
        return self.backend.version

    def call(
        self, work: Callable[..., T], *args: Any, returns: Any = object, kind: str = "",
        **kwargs: Any,
    ) -> T:  # fmt: skip
        """Call ``work`` if the circuit is closed. A result that is not of the type ``returns``
        counts as damaged. ``kind``: ``pages`` for pages, or one of the kinds that are optional."""
        if self.open_since is not None and not self._worth_asking(kind):
            raise BackendUnavailable("The store is out of reach; it is probed in the background.")
        started = time.monotonic()
        try:
            result = work(*args, **kwargs)
            if not isinstance(result, returns) or (returns is int and isinstance(result, bool)):
                raise TypeError(f"it answered {type(result).__name__}")
        except (UnicodeError, OverflowError, NotTaken) as error:  # the values, not the store
            raise BackendUnavailable(f"The store cannot hold this: {error}") from error
        except ConfigurationError as error:
            self.trip(error, kind=kind)
            raise BackendUnavailable(str(error)) from error
        except Exception as error:
            self.trip(error, kind=kind)
            raise BackendUnavailable(
                f"The store failed: {type(error).__name__}: {error}"
            ) from error
        took = time.monotonic() - started
        read_ahead = current.get()
        total = took
        if read_ahead is not None:
            read_ahead.seconds += took
            total = read_ahead.seconds + self.limit / 3
        if total > self.limit:
            slow = kind if took > self.limit / 3 else "pages"  # or an earlier operation was slow
            self.trip(self._too_slow(took, read_ahead), kind=slow)
        return result

    def _too_slow(self, took: float, read_ahead: ReadAhead | None) -> TimeoutError:
        if read_ahead is None:
            return TimeoutError(f"it took {took:.2f} s, and backend_timeout is {self.limit:g}")
        return TimeoutError(
            f"operations of one visit took {read_ahead.seconds:.2f} s, and may take two thirds of "
            f"backend_timeout, which is {self.limit:g}"
        )

    def begin(self, read_ahead: ReadAhead | None = None) -> None:
        """A visit or a job begins, or continues with its ``read_ahead``. Its operations together
        may take two thirds of the limit, and then one more that fails: half a second in all, for
        the default of 0.3 s."""
        current.set(ReadAhead() if read_ahead is None else read_ahead)

    def apart(self, work: Callable[..., T], *args: Any, returns: Any = object, kind: str = "") -> T:
        """`call` for an explicit request: it has its own time limit, since one script may make
        many."""
        token = current.set(None)
        try:
            return self.call(work, *args, returns=returns, kind=kind)
        finally:
            current.reset(token)

    def end(self) -> None:
        """What follows in this context is not part of the visit or job."""
        current.set(None)

    def trip(self, error: BaseException, *, kind: str = "") -> None:
        """Open the circuit. ``kind``: that of the failed operation."""
        now = time.monotonic()
        if self.open_since is None or kind in _TABLE:
            self._spared = self._beside(kind)
        if self.open_since is None:
            self.open_since = self.changed = now
            self.trips += 1
            if now - self._logged_at > _QUIET:
                self._logged_at = now
                self._announced = True
                log.error(
                    "The store is out of reach (%s: %s). Pages in memory are still served; others "
                    "are answered by the app until a probe succeeds.",
                    type(error).__name__,
                    error,
                )
            self.on_open()

    def _beside(self, failed: str) -> tuple[str, ...]:
        """The kinds that are still worth trying after an operation of this kind has failed."""
        if failed in _TABLE:
            return ()
        if failed == "pages" and hasattr(self.backend, "coordinator"):
            return _TABLE
        alone = getattr(self.backend, "in_process", False)  # no other process writes it
        return _TABLE[:1] if hasattr(self.backend, "versions") and not alone else ()

    def _worth_asking(self, kind: str) -> bool:
        """Whether to try this kind while the circuit is open. An odd version shows that other
        processes cannot reach the store either."""
        return kind in self._spared and (self._spared == _TABLE or self.version[0] % 2 == 0)

    def probe(self) -> bool:
        """Try the backend if the circuit is open; close it on success. True when closed."""
        if self.open_since is None:
            return True
        started = time.monotonic()
        try:
            self.backend.ping()
        except Exception:
            return False
        now = time.monotonic()
        if now - started > self.limit:
            return False
        self.open_since, self.changed = None, now
        if self._announced:
            self._announced = False
            log.warning("The store is back.")
        return True

    def retry(self) -> None:
        """Probe an open circuit now, for an explicit request: it prefers one slow operation to an
        outdated answer. At most once a second in a process, however many call; never for a visit.
        """
        if self.open_since is None or not self._retrying.acquire(blocking=False):
            return
        try:
            now = time.monotonic()
            due = now - self._retried >= _RETRY
            if due:
                self._retried = now
        finally:
            self._retrying.release()
        if due:
            self.probe()
