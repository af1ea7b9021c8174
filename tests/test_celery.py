"""`isgware.celery` without a broker: what is sent, what is waited for, what is done with a job."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.test import Client

from isgware import ISG, ConfigurationError, Policy
from isgware.celery import NAME, CeleryExecutor
from isgware.core.cache_key import Request
from isgware.regeneration.shared_jobs import encode_job
from isgware.testing import FakeClock
from tests.promises.kit import LONG, Later, eventually


class Broker:
    """A Celery app as far as the executor sees it."""

    def __init__(self) -> None:
        self.conf = SimpleNamespace(
            broker_write_url=None,
            broker_url="redis://localhost/1",
            broker_transport_options={},
            task_always_eager=False,
        )
        self.sent: list[tuple[str, list[str], dict[str, Any]]] = []
        self.connections: list[dict[str, Any]] = []
        self.released = 0
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.tasks: dict[str, Callable[[str], str]] = {}

    def task(self, *, name: str, **options: Any) -> Callable[[Any], None]:
        return lambda work: self.tasks.__setitem__(name, work)

    def connection_for_write(self, **options: Any) -> Any:
        self.connections.append(options)
        return self

    def release(self) -> None:
        self.released += 1

    def send_task(self, name: str, args: list[str], **options: Any) -> None:
        assert options.pop("connection") is self
        self.gate.wait(LONG)
        if self.error is not None:
            raise self.error
        self.sent.append((name, args, options))


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def executor(broker: Broker) -> Iterator[CeleryExecutor]:
    executor = CeleryExecutor(broker, queue="pages", timeout=LONG)
    yield executor
    broker.gate.set()
    executor._timeout = LONG
    executor.close()


def busy(broker: Broker, executor: CeleryExecutor) -> Later:
    """Have the broker be at a task, and not answer; from now on nobody waits for it."""
    broker.gate.clear()
    first = Later(lambda: executor.send("a", b"1"))
    eventually(lambda: executor._sending_since is not None)
    executor._timeout = 0.0
    return first


def make(executor: CeleryExecutor, store: str, **options: Any) -> ISG:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(clock()).encode()]

    clock = FakeClock()
    return ISG(
        app, store=store, clock=clock, executor=executor, enabled=True,
        routes={"/": Policy(revalidate=60)}, **options,
    )  # fmt: skip


@pytest.fixture
def isg(executor: CeleryExecutor, tmp_path: Path) -> Iterator[ISG]:
    isg = make(executor, f"file:{tmp_path}/store")
    yield isg
    isg.close()


# In a web process.


def test_a_task_carries_the_job_and_ends_when_nobody_waits_for_it(
    broker: Broker, executor: CeleryExecutor, isg: ISG
) -> None:
    assert executor.there()
    assert executor.send("key", b"job")
    [(name, args, options)] = broker.sent
    assert (name, args) == (NAME, ["job"])
    assert (options["queue"], options["serializer"], options["retry"]) == ("pages", "json", False)
    settings = isg.runtime.settings
    assert options["expires"] == settings.lease_time / 2
    assert options["soft_time_limit"] == settings.render_timeout


def test_one_connection_serves_many_tasks_and_is_made_anew_after_an_error(
    broker: Broker, executor: CeleryExecutor
) -> None:
    assert broker.connections == []
    assert [executor.send("a", b"1"), executor.send("b", b"2")] == [True, True]
    assert len(broker.connections) == 1
    broker.error = OSError("refused")
    assert not executor.send("c", b"3")
    broker.error = None
    assert executor.send("d", b"4")
    assert (len(broker.connections), broker.released) == (2, 1)


def test_a_redis_broker_is_asked_with_a_time_limit_unless_the_fleet_has_its_own(
    broker: Broker, executor: CeleryExecutor
) -> None:
    broker.conf.broker_transport_options = {"socket_timeout": 9}
    executor.send("a", b"1")
    options = {"socket_timeout": 9, "socket_connect_timeout": LONG}
    assert broker.connections[0]["transport_options"] == options


def test_other_brokers_get_the_options_that_they_know(
    broker: Broker, executor: CeleryExecutor
) -> None:
    broker.conf.broker_url = "amqp://localhost"
    executor.send("a", b"1")
    assert broker.connections[0]["transport_options"] == {}


def test_a_broker_that_refuses_is_left_alone_for_a_while(
    broker: Broker, executor: CeleryExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    broker.error = OSError("refused")
    assert [executor.send("a", b"1"), executor.send("b", b"2")] == [False, False]
    assert not executor.there()
    assert caplog.text.count("does not take tasks") == 1
    executor._paused_until = 0.0
    assert executor.there()


def test_a_broker_that_does_not_answer_holds_one_job_up_and_gets_no_late_ones(
    broker: Broker, executor: CeleryExecutor
) -> None:
    first = busy(broker, executor)
    assert not executor.send("b", b"2")
    executor._paused_until = 0.0
    assert not executor.there()
    executor._timeout = LONG
    broker.gate.set()
    assert first.result()
    assert executor.send("c", b"3")
    assert [args for _, args, _ in broker.sent] == [["1"], ["3"]]
    assert executor.there()


def test_tasks_on_their_way_are_bounded(broker: Broker, executor: CeleryExecutor) -> None:
    busy(broker, executor)
    assert not any(executor.send(str(number), b"job") for number in range(150))
    assert executor._messages.qsize() == 100


def test_an_eager_celery_has_nobody_to_send_to(broker: Broker, executor: CeleryExecutor) -> None:
    broker.conf.task_always_eager = True
    assert not executor.there()


def test_a_celery_whose_configuration_cannot_be_read_has_nobody_to_send_to(
    broker: Broker, executor: CeleryExecutor
) -> None:
    broker.conf = SimpleNamespace()
    assert not executor.there()


def test_a_forked_child_has_a_connection_of_its_own(
    broker: Broker, executor: CeleryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor.send("a", b"1")
    parent = executor._messages
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert executor.there()
    assert executor.send("b", b"2")
    assert len(broker.connections) == 2
    executor.close()
    parent.put(None)


# In a Celery worker.


def job(path: str = "/") -> str:
    request = Request("http", "localhost", "", path)
    return encode_job(request.key(), request).decode()


def test_a_job_is_done_with_the_isg_of_the_process(
    broker: Broker, executor: CeleryExecutor, isg: ISG
) -> None:
    Client(isg).get("/")
    assert broker.tasks[NAME](job()) == "nothing to do"
    isg.runtime.settings.clock.advance(61)
    assert broker.tasks[NAME](job()) == "rendered"
    assert Client(isg).get("/").headers["X-ISG-Cache"] == "HIT"
    assert broker.sent == []


def test_a_forked_worker_lets_go_of_what_is_its_parents(
    broker: Broker, executor: CeleryExecutor, isg: ISG
) -> None:
    isg.runtime.process._pid = -1
    flights = isg.runtime.engine.renderer.flights
    assert broker.tasks[NAME](job()) == "rendered"
    assert (isg.runtime.process._pid, isg.runtime.engine.renderer.flights is flights) == (
        os.getpid(),
        False,
    )


@pytest.mark.parametrize("given", ["junk", "null", job("/other")])
def test_what_is_no_job_of_this_app_is_dropped(
    broker: Broker, executor: CeleryExecutor, isg: ISG, given: str
) -> None:
    assert broker.tasks[NAME](given) == "nothing to do"


def test_without_an_isg_the_log_says_what_to_do(
    broker: Broker, executor: CeleryExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    assert broker.tasks[NAME](job()) == "no ISG"
    assert "give CeleryExecutor isg=" in caplog.text


def test_an_isg_may_be_made_when_the_first_job_comes(broker: Broker, tmp_path: Path) -> None:
    made: list[ISG] = []

    def find() -> ISG:
        made.append(make(executor, f"file:{tmp_path}/store"))
        return made[-1]

    executor = CeleryExecutor(broker, isg=find)
    assert [broker.tasks[NAME](job()) for _ in range(2)] == ["rendered", "nothing to do"]
    assert len(made) == 1
    made[0].close()


def test_an_isg_that_is_switched_off_renders_nothing(
    broker: Broker, executor: CeleryExecutor, tmp_path: Path
) -> None:
    ISG(lambda environ, start: [], store=f"file:{tmp_path}/s", executor=executor, enabled=False)
    assert broker.tasks[NAME](job()) == "isgware is not at work here"


# What is a mistake.


def test_a_store_of_one_process_is_refused(executor: CeleryExecutor) -> None:
    with pytest.raises(ConfigurationError, match="redis://HOST"):
        make(executor, "memory:")


def test_what_is_no_celery_app_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="give a Celery app"):
        CeleryExecutor("redis://localhost")


def test_a_second_isg_is_warned_of(
    executor: CeleryExecutor, isg: ISG, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make(executor, f"file:{tmp_path}/store").close()
    assert "a second ISG" in caplog.text
