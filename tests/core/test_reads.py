"""Whose page it is, given what its render read (P11)."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import pytest

from isgware.core.reads import (
    LASTS,
    MAX_NAMES,
    NOTHING_READ,
    Personal,
    Reads,
    Seen,
    judge,
    reads_from_json,
    reads_of,
    reads_to_json,
    told,
    united,
)
from isgware.recording import COOKIES, HEADERS, OPENED, SESSION, Recording

OWN = {("opened", "sid"): ""}


def reads(*noted: tuple[str, str]) -> Reads:
    return reads_of({**OWN, **dict.fromkeys(noted, "views.py:1")}, 0.0)


def judged(
    found: Reads, *cookies: str, keys: Collection[str] | None = (), keyed: Collection[str] = ()
) -> Personal | None:
    return judge(found, cookies, lambda: keys, keyed)


def asked_nothing() -> Collection[str] | None:
    raise AssertionError("the session was opened")


def test_without_cookies_nothing_is_asked() -> None:
    assert judge(reads((SESSION, "*"), (COOKIES, "*")), (), asked_nothing) is None


def test_without_reads_nothing_is_asked() -> None:
    assert judge(reads(), ("sid", "theme"), asked_nothing) is None
    assert judge(reads((HEADERS, "referer")), ("sid",), asked_nothing) is None


def test_a_cookie_that_was_read_is_found_before_the_session_is_opened() -> None:
    found = judge(reads((COOKIES, "theme"), (SESSION, "k")), ("sid", "theme"), asked_nothing)
    assert found == Personal("cookies", "theme", "views.py:1")


def test_other_cookies_do_not_count() -> None:
    assert judge(reads((COOKIES, "theme")), ("sid", "lang"), asked_nothing) is None


def test_the_session_is_opened_only_for_its_cookie() -> None:
    assert judge(reads((SESSION, "k")), ("theme",), asked_nothing) is None


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), None),
        (("csrf_token", "basket"), None),
        (("basket", "k"), Personal("session", "k", "views.py:1")),
        (None, Personal("unreadable", "", "views.py:1")),
    ],
)
def test_a_session_is_personal_by_its_keys(keys: Any, expected: Personal | None) -> None:
    assert judged(reads((SESSION, "k")), "sid", keys=keys) == expected


def test_who_reads_everything_reads_any_key() -> None:
    everything = reads((SESSION, "*"))
    assert judged(everything, "sid", keys=()) is None
    assert judged(everything, "sid", keys={"b", "a"}) == Personal("session", "a", "views.py:1")


def test_of_all_cookies_those_of_analytics_do_not_count_unless_named() -> None:
    everything = reads((COOKIES, "*"))
    assert judged(everything, "_ga") is None
    assert judged(everything, "_ga", "x") == Personal("cookies", "x", "views.py:1")
    named = reads((COOKIES, "*"), (COOKIES, "_ga"))
    assert judged(named, "_ga") == Personal("cookies", "_ga", "views.py:1")


def test_keyed_cookies_are_in_the_page() -> None:
    assert judged(reads((COOKIES, "*"), (COOKIES, "cur")), "cur", keyed={"cur"}) is None


def test_a_session_found_by_any_cookie_belongs_to_who_has_one() -> None:
    anywhere = reads_of({(OPENED, "*"): "", (SESSION, "k"): ""}, 0.0)
    assert judged(anywhere, "x", keys={"k"}) == Personal("session", "k", "")


def test_reads_of_earlier_renders_count_for_a_day() -> None:
    old = reads_of({(SESSION, "a"): "old:1", (SESSION, "b"): "old:2"}, 0.0)
    new = reads_of({(SESSION, "b"): "new:2"}, LASTS - 1)
    both = united(new, old, LASTS - 1)
    assert both.session == {"a": Seen("old:1", 0.0), "b": Seen("new:2", LASTS - 1)}
    assert united(NOTHING_READ, both, LASTS).session == {"b": Seen("new:2", LASTS - 1)}
    assert united(NOTHING_READ, None, 0.0) == NOTHING_READ


def test_too_many_names_are_all_names() -> None:
    many = {(SESSION, str(number)): "v:1" for number in range(MAX_NAMES + 1)}
    assert set(reads_of(many, 0.0).session) == {"*"}
    headers = {(HEADERS, str(number)): "v:1" for number in range(MAX_NAMES + 9)}
    assert len(reads_of(headers, 0.0).headers) == MAX_NAMES


@pytest.mark.parametrize("found", [None, NOTHING_READ, reads((SESSION, "*"), (COOKIES, "ü"))])
def test_reads_survive_as_json(found: Reads | None) -> None:
    assert reads_from_json(json.loads(json.dumps(reads_to_json(found)))) == found


@pytest.mark.parametrize(
    "raw",
    [[], 7, [[], []], [[["a", "b"]], [], [], []], [[[1, "b", 0]], [], [], []],
     [[["a", "b", "0"]], [], [], []], [[["a", 7, 0]], [], [], []]],
)  # fmt: skip
def test_other_json_is_an_error(raw: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        reads_from_json(raw)


def test_people_are_told_what_was_read_and_where() -> None:
    assert Personal("session", "k", "views.py:1").text == (
        "the page reads the session key 'k' (views.py:1)"
    )
    assert Personal("cookies", "k", "").text == "the page reads the cookie 'k'"
    found = reads(
        (HEADERS, "user-agent"), (HEADERS, "remote-addr"), (HEADERS, "accept-language=de,en")
    )
    assert [what for what, _ in told(found)] == [
        "the header 'user-agent'", "the client's address",
        "the best match of the header 'accept-language' among de, en",
    ]  # fmt: skip


def test_a_recording_notes_the_first_place_and_long_names_as_all() -> None:
    recording = Recording()
    recording.read(SESSION, "k", lambda: "first:1")
    recording.read(SESSION, "k", lambda: "second:2")
    recording.read(SESSION, "x" * 300, lambda: "long:3")
    recording.read(COOKIES, 7, lambda: "odd:4")
    assert recording.reads == {
        (SESSION, "k"): "first:1", (SESSION, "*"): "long:3", (COOKIES, "*"): "odd:4",
    }  # fmt: skip
