"""``isgware metrics``: printed, and served on loopback."""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import Client
from werkzeug.wrappers import Response

from isgware import ISG, Policy
from isgware.cli import main as cli
from isgware.cli import metrics as command
from isgware.cli.commands import commands

Run = Callable[..., Result]
LABELS = ("state", "result", "route")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[str]:
    url = f"file:{tmp_path}/pages"
    isg = ISG(
        Response("page", mimetype="text/html"), store=url, enabled=True, backend_timeout=30.0,
        routes={"/posts/<id>": Policy(revalidate=60)},
    )  # fmt: skip
    for _ in range(3):
        Client(isg).get("/posts/1")
    isg.close(0)
    return url


@pytest.fixture
def run() -> Run:
    group = commands("isgware", cli.subject, [click.Argument(["target"])])
    return lambda *words: CliRunner().invoke(group, ["metrics", *words])


def values(text: str) -> dict[str, float]:
    return {
        " ".join([sample.name, *filter(None, map(sample.labels.get, LABELS))]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_they_are_printed_of_a_store_without_its_app(run: Run, store: str) -> None:
    result = run(store)
    assert result.exit_code == 0, result.output
    found = values(result.stdout)
    assert found["isgware_requests_total hit /posts/<id>"] == 2
    assert found["isgware_pages fresh"] == 1
    assert found["isgware_store_up"] == 1


def test_promtool_has_no_objections(run: Run, store: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        return  # the parser of prometheus-client has read it all the same
    done = subprocess.run(
        [promtool, "check", "metrics"], input=run(store).stdout_bytes, capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_without_prometheus_client_the_error_names_the_extra(
    run: Run, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    result = run(store)
    assert result.exit_code == 2
    assert "pip install 'isgware[metrics]'" in result.stderr


def test_they_are_served_on_loopback_to_who_asks_for_it(store: str) -> None:
    words = [sys.executable, "-m", "isgware", "metrics", store, "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as served:
        try:
            assert served.stderr is not None
            line = served.stderr.readline()
            found = re.fullmatch(
                r"Serving http://127\.0\.0\.1:(\d+)/metrics; Ctrl-C ends\.\n", line
            )
            assert found, line
            connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
            asked = [
                ("/metrics", {}, 200),
                ("/", {"Host": "localhost:1"}, 200),
                ("/metrics", {"Host": "rebound.example"}, 400),
                ("/else", {}, 404),
            ]
            for path, headers, status in asked:
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                body = answer.read().decode()
                assert answer.status == status
                if status == 200:
                    assert values(body)["isgware_requests_total hit /posts/<id>"] == 2
                    assert answer.headers["Content-Type"].startswith("text/plain; version=")
            connection.close()
        finally:
            served.terminate()


def test_only_reading_is_allowed() -> None:
    client = Client(command._application(lambda: b"text", "text/plain"))
    assert client.post("/metrics").status_code == 405
    assert (client.head("/metrics").status_code, client.head("/metrics").data) == (200, b"")


def test_a_port_that_is_taken_is_said(
    run: Run, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object) -> None:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(command, "make_server", taken)
    result = run(store, "--port", "9469")
    assert result.exit_code == 1
    assert "Port 9469 cannot be had: Address already in use." in result.stderr
