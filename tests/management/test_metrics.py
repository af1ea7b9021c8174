"""``GET MOUNT/metrics``: who is let in, and what Prometheus reads."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from isgware import ISG, Policy

SECRET, OTHERS = "correct horse battery", "staple of the monitoring"


@Request.application
def app(request: Request) -> Response:
    return Response(f"page {request.path}", mimetype="text/html")


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def site(directory: Path, **options: Any) -> ISG:
    routes = {"/posts/<id>": Policy(revalidate=60)}
    return ISG(app, store=f"file:{directory}", routes=routes, enabled=True, **options)


@pytest.fixture
def isg(tmp_path: Path) -> Iterator[ISG]:
    isg = site(tmp_path, secret=SECRET, metrics_secret=OTHERS)
    yield isg
    isg.close(0)


def scraped(isg: ISG, secret: str = OTHERS) -> dict[tuple[str, tuple[str, ...]], float]:
    text = Client(isg).get("/_isg/metrics", headers=bearer(secret)).text
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_was_counted_is_read_by_prometheus_whoever_answers(isg: ISG, tmp_path: Path) -> None:
    client = Client(isg)
    for _ in range(4):
        client.get("/posts/1")
    client.get("/elsewhere")
    isg.revalidate_path("/posts/2")
    isg.runtime.counts.flush()
    other = site(tmp_path, secret=SECRET)
    found = scraped(other, SECRET)
    route = "/posts/<id>"
    assert found["isgware_requests_total", ("", "hit", route)] == 3
    assert found["isgware_requests_total", ("", "miss", route)] == 1
    assert found["isgware_requests_total", ("", "pass", "undeclared")] == 1
    assert found["isgware_renders_total", ("rendered", route)] == 1
    assert found["isgware_render_seconds_count", (route,)] == 1
    assert found["isgware_render_seconds_bucket", ("+Inf", route)] == 1
    assert found["isgware_render_seconds_sum", (route,)] > 0
    assert found["isgware_saved_seconds_total", ()] > 0
    assert found["isgware_invalidations_total", ("revalidate",)] == 1
    assert found["isgware_pages", ("fresh",)] == 1
    assert found["isgware_store_bytes", ()] > 0
    assert found["isgware_regenerations_waiting", ()] == 0
    assert found["isgware_store_up", ()] == 1
    other.close(0)


def test_without_the_store_no_counter_goes_down(isg: ISG) -> None:
    Client(isg).get("/posts/1")
    isg.runtime.store.trip(OSError("gone"))
    isg.runtime.store.retry = lambda: None  # type: ignore[method-assign]
    assert scraped(isg) == {("isgware_store_up", ()): 0}


def test_only_who_has_a_secret_is_let_in(isg: ISG) -> None:
    client = Client(isg)
    for headers in ({}, bearer("wrong"), bearer(""), {"Authorization": f"Basic {SECRET}"}):
        answer = client.get("/_isg/metrics", headers=headers)
        assert (answer.status_code, answer.text) == (401, "Invalid token\n")
    assert client.get(f"/_isg/metrics?secret={SECRET}").status_code == 401
    for secret in (SECRET, OTHERS):
        assert client.get("/_isg/metrics", headers=bearer(secret)).status_code == 200
    assert client.post("/_isg/metrics", headers=bearer(SECRET)).status_code == 405
    path = {"path": "/posts/1"}
    assert client.post("/_isg/revalidate", data=path, headers=bearer(OTHERS)).status_code == 401


def test_a_secret_for_metrics_alone_opens_nothing_else(tmp_path: Path) -> None:
    isg = site(tmp_path, metrics_secret=OTHERS)
    client = Client(isg)
    assert client.get("/_isg/metrics", headers=bearer(OTHERS)).status_code == 200
    assert client.get("/_isg/other", headers=bearer(OTHERS)).text == "page /_isg/other"
    isg.close(0)


def test_without_a_secret_the_url_is_the_apps(tmp_path: Path) -> None:
    isg = site(tmp_path)
    assert Client(isg).get("/_isg/metrics").text == "page /_isg/metrics"
    isg.close(0)


def test_promtool_has_no_objections(isg: ISG) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        return  # the parser of prometheus-client has read it all the same
    Client(isg).get("/posts/1")
    text = Client(isg).get("/_isg/metrics", headers=bearer(SECRET)).data
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
