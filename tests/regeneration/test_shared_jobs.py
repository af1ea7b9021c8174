"""`isgware.regeneration.shared_jobs`: jobs as they go from one process to another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isgware import ISG, Policy
from isgware.core.cache_key import Visitor
from isgware.regeneration.shared_jobs import decode_job, encode_job, target_of
from isgware.routing.planner import Target
from isgware.testing import FakeClock, ManualExecutor

ROUTES = {
    "/page/<name>": Policy(revalidate=60, query=("q",)),
    "/vary": Policy(revalidate=60, vary={"Accept-Language": ["en", "de"], "cookie:tint": None}),
    "/barred": Policy(revalidate=60, bypass=lambda request: "known" not in request.cookies),
}


def planned(isg: ISG) -> tuple[Any, Any, Any]:
    """What `target_of` plans a job with."""
    engine = isg.runtime.engine
    return engine.planner, engine.page_store, engine.outcomes


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a page"]


def make(directory: Path, **options: Any) -> ISG:
    given = {"routes": ROUTES, "executor": ManualExecutor(), "clock": FakeClock(), **options}
    return ISG(app, store=f"file:{directory}", enabled=True, **given)


@pytest.fixture
def isg(tmp_path: Path) -> Iterator[ISG]:
    isg = make(tmp_path / "store")
    yield isg
    isg.close()


def target(isg: ISG, path: str, query: str = "", **headers: str) -> Target:
    visitor = Visitor("GET", "http", "localhost", "", path, query, headers)
    plan = isg.runtime.engine.planner.plan(visitor)
    assert plan is not None
    assert plan.target is not None
    return plan.target


def job(target: Target) -> bytes:
    return encode_job(target.key, target.request)


@pytest.mark.parametrize(
    ("path", "query", "headers"),
    [
        ("/page/a", "", {}),
        ("/page/a", "utm_source=x&q=1&other=2&q=%C3%BC", {}),
        ("/page/\xc3\xbc b", "", {}),
        ("/vary", "", {"HTTP_ACCEPT_LANGUAGE": "fr, de;q=0.5", "HTTP_COOKIE": "a=b; tint=red"}),
        ("/vary", "", {}),
        ("/barred", "", {"HTTP_COOKIE": "known=1"}),
    ],
)
def test_a_job_names_the_very_page_that_it_was_made_of(
    isg: ISG, path: str, query: str, headers: dict[str, str]
) -> None:
    wanted = target(isg, path, query, **headers)
    assert target_of(*planned(isg), job(wanted)) == wanted
    assert target_of(*planned(isg), job(wanted).decode()) == wanted


def test_a_job_is_json(isg: ISG) -> None:
    assert isinstance(json.loads(job(target(isg, "/page/a"))), list)


def test_a_job_of_another_build_is_dropped(isg: ISG, tmp_path: Path) -> None:
    other = make(tmp_path / "store", build_id="two")
    assert target_of(*planned(other), job(target(isg, "/page/a"))) is None
    other.close()


def test_a_job_of_a_page_that_is_planned_otherwise_now_is_dropped(isg: ISG, tmp_path: Path) -> None:
    old = job(target(isg, "/page/a", "q=1"))
    other = make(tmp_path / "store", routes={"/page/<name>": Policy(revalidate=60, query=())})
    assert target_of(*planned(other), old) is None
    other.close()


def test_a_job_of_a_page_that_is_no_longer_declared_is_dropped(isg: ISG, tmp_path: Path) -> None:
    other = make(tmp_path / "store", routes={})
    assert target_of(*planned(other), job(target(isg, "/page/a"))) is None
    other.close()


def test_a_job_of_a_host_that_is_not_trusted_is_dropped(isg: ISG, tmp_path: Path) -> None:
    other = make(tmp_path / "store", trusted_hosts=["site.example"])
    assert target_of(*planned(other), job(target(isg, "/page/a"))) is None
    other.close()


def test_a_page_that_just_failed_is_not_tried_for_a_job(isg: ISG) -> None:
    wanted = target(isg, "/page/a")
    isg.runtime.engine.outcomes.failed(wanted, "it failed", None)
    assert target_of(*planned(isg), job(wanted)) is None
    isg.runtime.settings.clock.advance(2)
    assert target_of(*planned(isg), job(wanted)) == wanted


TEXTS = ["http", "localhost", "", "/page/a", ""]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        json.dumps([2, "key", *TEXTS, [], []]),
        json.dumps([1, None, *TEXTS, [], []]),
        json.dumps([1, "key", *TEXTS[:3], None, "", [], []]),
        json.dumps([1, "key", *TEXTS, [["a"]], []]),
        json.dumps([1, "key", *TEXTS, [["a", 1]], []]),
        json.dumps([1, "key", *TEXTS, [[1, "a"]], []]),
        json.dumps([1, "key", *TEXTS, [], 7]),
        json.dumps([1, "key", *TEXTS, [], [], "more"]),
    ],
)
def test_what_is_no_job_is_dropped(isg: ISG, data: bytes | str) -> None:
    assert decode_job(data) is None
    assert target_of(*planned(isg), data) is None


texts = st.text(max_size=20)
pairs = st.lists(st.tuples(texts, texts), max_size=2)
jobs = st.tuples(st.just(1), texts, texts, texts, texts, texts, texts, pairs, pairs)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=jobs.map(json.dumps) | st.binary(max_size=50))
def test_no_job_raises(isg: ISG, data: bytes | str) -> None:
    assert target_of(*planned(isg), data) is None
