"""The model of the random operations, held against histories that are written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.model import History, Outage, Said, Visit

PAGE = "/page/a/1"


def said(verb: str, argument: str = PAGE, begin: float = 10.0, pid: int = 1) -> Said:
    return Said(verb=verb, argument=argument, begin=begin, end=begin + 1, pid=pid)


def visit(**fields: Any) -> Visit:
    """At 20, of a page whose render began at 5."""
    given: dict[str, Any] = {
        "path": PAGE, "query": "", "bucket": "", "cookies": "", "begin": 20.0, "end": 21.0,
        "label": "HIT", "pid": 2, "begun": 5.0, "version": 0, "seen_path": PAGE, "seen_query": "",
        "seen_cookie": "", **fields,
    }  # fmt: skip
    return Visit(**given)


def faults(*events: Said | Visit | Outage, slack: float = 0.0, **fields: Any) -> list[str]:
    history = History(
        slack,
        [it for it in events if isinstance(it, Said)],
        [it for it in events if isinstance(it, Visit)],
        [it for it in events if isinstance(it, Outage)],
        **{"edits": {PAGE: [(0.0, 1.0)], "/brief/a/1": [(0.0, 1.0)]}, **fields},
    )
    return [fault for _, fault in history.violations()]


ANY = ["HIT", "STALE", "MISS", "REVALIDATED"]


@pytest.mark.parametrize("label", ANY)
def test_a_page_that_nothing_was_said_of_may_be_seen(label: str) -> None:
    assert faults(visit(label=label)) == []


@pytest.mark.parametrize("label", ANY)
@pytest.mark.parametrize(
    ("verb", "argument"),
    [
        ("purge_path", PAGE), ("purge_path", f"{PAGE}?"), ("purge_path", "/page/a/*"),
        ("purge_tag", "pages"), ("purge_tag", "section:a"), ("purge_tag", "page:a-1"),
        ("purge_all", ""), ("regenerate", PAGE),
    ],
)  # fmt: skip
def test_after_a_purge_nothing_older_may_be_seen(label: str, verb: str, argument: str) -> None:
    assert faults(said(verb, argument), visit(label=label))
    assert faults(said(verb, argument), visit(label=label, begun=10.5)) == []


@pytest.mark.parametrize(
    ("verb", "argument"),
    [
        ("purge_path", "/page/a/2"), ("purge_path", f"{PAGE}?v=1"), ("purge_path", "/page/b/*"),
        ("purge_tag", "page:a-2"), ("regenerate", "/page/a/2"),
    ],
)  # fmt: skip
def test_what_is_said_of_other_pages_obliges_nobody(verb: str, argument: str) -> None:
    assert faults(said(verb, argument), visit()) == []


def test_after_a_revalidation_an_old_page_is_stale() -> None:
    soft = said("revalidate_path")
    assert faults(soft, visit(label="STALE")) == []
    assert all(faults(soft, visit(label=label)) for label in ANY if label != "STALE")


def test_a_regeneration_makes_other_variants_stale() -> None:
    variant = {"bucket": "b", "cookies": "bucket=b", "seen_cookie": "bucket=b"}
    assert faults(said("regenerate"), visit(label="STALE", **variant)) == []
    assert faults(said("regenerate"), visit(label="HIT", **variant))


def test_who_came_before_a_call_returned_may_have_either() -> None:
    assert faults(said("purge_path"), visit(begin=10.9, end=30.0)) == []


def test_other_processes_have_a_moment_to_hear_of_it() -> None:
    soon = {"begin": 11.1, "end": 11.2}
    assert faults(said("purge_path", pid=1), visit(pid=2, **soon), slack=0.5) == []
    assert faults(said("purge_path", pid=1), visit(pid=1, **soon), slack=0.5)
    assert faults(said("purge_path", pid=1), visit(pid=2, **soon), slack=0.0)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param({"seen_path": "/page/a/2"}, id="of another URL"),
        pytest.param({"seen_query": "v=1"}, id="of another query"),
        pytest.param({"seen_cookie": "bucket=b"}, id="of another bucket"),
        pytest.param({"cookies": "session=1", "seen_cookie": "session=1"}, id="with a session"),
        pytest.param({"label": "None"}, id="without a label"),
        pytest.param({"label": "BYPASS"}, id="an own answer that is old"),
        pytest.param({"path": "/brief/a/1", "seen_path": "/brief/a/1"}, id="past its lifetime"),
    ],
)
def test_what_nobody_may_see(seen: dict[str, Any]) -> None:
    assert faults(visit(**seen))


def test_a_version_must_be_of_its_time() -> None:
    edits = {PAGE: [(0.0, 1.0), (3.0, 4.0), (30.0, 31.0)]}
    assert faults(visit(version=1), edits=edits) == []
    assert faults(visit(version=0), edits=edits)
    assert faults(visit(version=2), edits=edits)


def test_no_process_goes_back() -> None:
    first, second = visit(begun=6.0), visit(begin=22.0, end=23.0)
    assert faults(first, second)
    assert faults(first, visit(begin=22.0, end=23.0, pid=3)) == []
    assert faults(first, visit(begin=20.5, end=23.0)) == []
    assert faults(first, second, regenerations=[(PAGE, 4.0, 7.0)]) == []
    assert faults(first, second, regenerations=[(PAGE, 4.0, 5.5)])


def test_while_the_store_is_away_pages_are_served_as_they_are() -> None:
    assert faults(said("purge_path"), Outage(15.0, 25.0), visit()) == []
    assert faults(Outage(15.0, 25.0), visit(label="BYPASS"))


def test_a_lost_table_forgets_purges_but_leaves_nothing_fresh() -> None:
    lost = Outage(12.0, 15.0)
    assert faults(said("purge_path"), lost, visit(label="STALE")) == []
    assert faults(lost, visit(label="HIT"))
    assert faults(lost, visit(label="HIT", begun=13.0)) == []
    assert faults(said("purge_path", begin=16.0), lost, visit(label="STALE", begun=13.0))
