"""`CeleryExecutor`: regeneration in a fleet that runs Celery.

``ISG(app, executor=CeleryExecutor(celery_app))`` sends each regeneration as a task that carries a
plain job; a Celery worker that has the same app does it with its own ISG. Nothing is connected
before the first task, and connections belong to a process.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from .after_fork import settling
from .errors import ConfigurationError
from .regeneration.handoff import patience_of
from .regeneration.shared_jobs import target_of
from .rendering.result import Outcome, Rendered

if TYPE_CHECKING:
    from .runtime import Runtime

log: Final = logging.getLogger("isgware")
NAME: Final = "isgware.regenerate"
#: Tasks on their way to the broker. Further ones are rendered in this process.
_MAX_SENDING: Final = 100
#: Seconds without a task after the broker refused one or did not answer.
_PAUSE: Final = 5.0
_QUIET: Final = 60.0
_REDIS: Final = ("redis:", "rediss:", "sentinel:", "valkey:", "valkeys:")


@dataclass(eq=False)
class _Message:
    job: str
    options: dict[str, Any]
    taken: bool = False
    too_late: bool = False
    answered: threading.Event = field(default_factory=threading.Event)


class CeleryExecutor:
    """Regenerates in Celery: ``executor=CeleryExecutor(celery_app)``, for one ISG.

    ``queue`` is the Celery queue of the tasks, ``name`` their name. ``timeout``: seconds that the
    broker may take to accept one; after that it is rendered in the web process, as it is when tasks
    are not done in time. ``isg`` is called in a Celery worker that has not made the ISG by
    importing the app (``isgware.django.isg``).
    """

    def __init__(
        self,
        celery: Any,
        *,
        queue: str | None = None,
        name: str = NAME,
        timeout: float = 1.0,
        isg: Callable[[], object] | None = None,
    ) -> None:
        if not callable(getattr(celery, "send_task", None)):
            raise ConfigurationError(f"CeleryExecutor({celery!r}): give a Celery app.")
        self.name = name
        self._celery = celery
        self._queue = queue
        self._timeout = timeout
        self._find = isg
        self._runtime: Runtime | None = None
        self._logged_at = float("-inf")
        self._reset()
        self._pid = 0  # locks are made on first use: see `after_fork`

        def regenerate(job: str) -> str:  # Celery reads its source: no method, no lambda
            return self.perform(job)

        celery.task(name=name, shared=False, ignore_result=True)(regenerate)

    def _reset(self) -> None:
        self._messages: queue.Queue[_Message | None] = queue.Queue(_MAX_SENDING)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._sending_since: float | None = None
        self._paused_until = float("-inf")
        self._pid = os.getpid()  # last: other threads skip the lock from here on

    def _own_process(self) -> None:
        if self._pid != os.getpid():
            with settling():
                if self._pid != os.getpid():
                    self._reset()

    # In a web process: a `handoff.Carrier`.

    def bind(self, runtime: Runtime) -> None:
        """Called by the ISG whose ``executor`` this is."""
        if self._runtime is not None and self._runtime.application is not runtime.application:
            log.warning("A CeleryExecutor was given to a second ISG; make one, with another name=.")
        self._runtime = runtime

    def there(self) -> bool:
        """Whether the broker accepted, or has not yet refused, the last task."""
        self._own_process()
        now, since = time.monotonic(), self._sending_since
        if now < self._paused_until or (since is not None and now - since > self._timeout):
            return False
        try:  # Celery reads its configuration now, if it did not yet
            return not self._celery.conf.task_always_eager
        except Exception as error:
            self._failed(error)
            return False

    def send(self, key: str, job: bytes) -> bool:
        """Give a task to the broker; false if it does not accept it within ``timeout``."""
        self._own_process()
        settings = self._runtime.settings if self._runtime is not None else None
        options: dict[str, Any] = {"queue": self._queue} if self._queue else {}
        if settings is not None:  # after that the web process has rendered the page itself
            options["expires"] = patience_of(settings)
            options["soft_time_limit"] = settings.render_timeout
        message = _Message(job.decode(), options)
        try:
            self._start()
            self._messages.put_nowait(message)
        except (queue.Full, RuntimeError) as error:
            self._failed(error)
            return False
        if message.answered.wait(self._timeout):
            return message.taken
        message.too_late = True
        self._failed(TimeoutError(f"no answer within {self._timeout} s"))
        return False

    def close(self) -> None:
        """Close the connection. The next task opens a new one."""
        thread = self._thread
        if thread is not None and self._pid == os.getpid():
            self._messages.put(None)
            thread.join(self._timeout)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._loop, name="isgware-celery", daemon=True)
                thread.start()
                self._thread = thread

    def _loop(self) -> None:
        """Only this thread talks to the broker, so that a broker that does not answer blocks no
        other."""
        connection: Any = None
        try:
            while (message := self._messages.get()) is not None:
                if message.too_late:
                    continue
                self._sending_since = time.monotonic()
                try:
                    connection = connection or self._connected()
                    self._celery.send_task(
                        self.name, [message.job], connection=connection, ignore_result=True,
                        retry=False, serializer="json", **message.options,
                    )  # fmt: skip
                    message.taken = True
                except Exception as error:  # whatever the transport raises
                    _release(connection)
                    connection = None
                    self._failed(error)
                finally:
                    self._sending_since = None
                    message.answered.set()
        finally:
            _release(connection)

    def _connected(self) -> Any:
        conf = self._celery.conf
        url = str(conf.broker_write_url or conf.broker_url or "")
        given = {}
        if url.startswith(_REDIS):
            given = {"socket_timeout": self._timeout, "socket_connect_timeout": self._timeout}
        return self._celery.connection_for_write(
            connect_timeout=self._timeout,
            transport_options={**given, **(conf.broker_transport_options or {})},
        )

    def _failed(self, error: Exception) -> None:
        now = time.monotonic()
        self._paused_until = now + _PAUSE
        if now - self._logged_at > _QUIET:
            self._logged_at = now
            log.warning(
                "Celery's broker does not take tasks (%s: %s); pages are rendered here.",
                type(error).__name__,
                error,
            )

    # In a Celery worker.

    def perform(self, job: str) -> str:
        """Do a job with this process's ISG. A job of another app is dropped."""
        if self._runtime is None and self._find is not None:
            self._find()
        runtime = self._runtime
        if runtime is None:
            log.error(
                "A page is to be rendered in Celery, but no ISG was made in its worker: import "
                "the app in the module that Celery is started with, or give CeleryExecutor isg=."
            )
            return "no ISG"
        if runtime.mode() != "on":
            return "isgware is not at work here"
        runtime.process.settle()
        engine = runtime.engine
        target = target_of(engine.planner, engine.page_store, engine.outcomes, job)
        if target is None:
            return "nothing to do"
        outcomes: list[Outcome | None] = []
        runtime.engine.background.work(target, outcomes.append).run()
        if not outcomes or outcomes[0] is None:
            return "nothing to do"
        return "rendered" if isinstance(outcomes[0], Rendered) else "not kept"


def _release(connection: Any) -> None:
    try:
        if connection is not None:
            connection.release()
    except Exception as error:
        log.debug("A connection to the broker was not closed: %s", error)
