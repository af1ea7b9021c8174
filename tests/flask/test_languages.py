"""Languages of Flask apps, learned without a word of configuration."""

from __future__ import annotations

from typing import Any

import pytest
from flask import request, session
from flask_babel import Babel, get_locale

from isgware.core.header_reads import best_match_of, keyed_by, outdated, refined
from tests.promises.kit import Reply, visit

from .test_reads_decide import Jar, Site

GERMAN = "de-AT,de;q=0.8,en;q=0.5"


def asked(site: Site, language: str, path: str = "/", **headers: str) -> Reply:
    return visit(site.app, path, headers={"Accept-Language": language, **headers})


def test_p1_a_page_varies_by_the_best_match_of_the_very_list_that_it_read() -> None:
    site = Site()
    site.page("/", lambda: request.accept_languages.best_match(["de", "en"], "en"))
    assert visit(site.app, "/").text == "en"
    assert [asked(site, GERMAN).text for _ in range(2)] == ["de", "de"]
    for language in ("de", "de-CH;q=0.3", "fr, de;q=0.2", GERMAN + ",fr"):
        assert (asked(site, language).text, asked(site, language).cache) == ("de", "HIT")
    for language in ("fr", "", "es-MX"):
        assert (asked(site, language).text, asked(site, language).cache) == ("en", "HIT")
    assert site.renders == 2
    assert "Accept-Language" in dict(asked(site, GERMAN).headers)["Vary"]


def test_p1_a_german_visitor_of_flask_babel_gets_german_without_configuration() -> None:
    site = Site()
    Babel(
        site.app,
        locale_selector=lambda: (
            session.get("lang") or request.accept_languages.best_match(["de_AT", "en"])
        ),
    )
    site.page("/", lambda: str(get_locale()))
    assert [visit(site.app, "/").text, asked(site, GERMAN).text] == ["en", "de_AT"]
    assert [asked(site, "en-US").text, asked(site, "de").cache] == ["en", "HIT"]
    assert "private" in dict(asked(site, GERMAN).headers)["Cache-Control"]
    english = Jar(site)
    english.visit("/set?lang=en", "POST")
    reply = english.visit("/")
    assert (reply.text, reply.cache, reply.detail) == ("en", "BYPASS", "cookie")


OTHER_WAYS: dict[str, Any] = {
    "best": lambda: request.accept_languages.best,
    "provided": lambda: request.accept_languages.provided,
    "iteration": lambda: list(request.accept_languages),
    "values": lambda: list(request.accept_languages.values()),
    "truth": lambda: bool(request.accept_languages),
    "membership": lambda: "de" in request.accept_languages,
    "quality": lambda: request.accept_languages["de"],
    "text": lambda: str(request.accept_languages),
    "header": lambda: request.headers.get("Accept-Language"),
    "environ": lambda: request.environ.get("HTTP_ACCEPT_LANGUAGE"),
    "two lists": lambda: [
        request.accept_languages.best_match(["de"]), request.accept_languages.best_match(["en"])
    ],
    "no tags": lambda: request.accept_languages.best_match(["de;q=1", "*"]),
}  # fmt: skip


@pytest.mark.parametrize("way", OTHER_WAYS)
def test_p1_other_readings_are_learned_as_the_whole_header(way: str) -> None:
    site, bare = Site(), Site()
    for each in (site, bare):
        each.page("/", lambda: str(OTHER_WAYS[way]()))
    bare.app.wsgi_app = bare.isg.core.application  # type: ignore[method-assign]
    for language in ("de", "en", "fr", "de, en;q=0.5", "de"):
        assert asked(site, language).text == asked(bare, language).text
    assert asked(site, "de").cache == "HIT"


def test_p1_a_page_that_asks_for_another_list_than_before_varies_by_the_whole_header() -> None:
    site = Site()
    lists = {"2": ["de", "en"], "3": ["de", "en", "fr"]}
    site.page("/", lambda: str(request.accept_languages.best_match(lists[request.args["n"]], "en")))

    def seen(language: str, n: str) -> str:
        return visit(site.app, "/", f"n={n}", headers={"Accept-Language": language}).text

    for _ in range(2):
        assert seen("fr, de;q=0.5", "2") == "de"
        assert seen("fr, de;q=0.5", "3") == "fr"
        assert seen("de", "3") == "de"


def test_a_list_of_what_is_no_language_is_the_whole_header() -> None:
    assert best_match_of("accept-language", ["de", "en_US"]) == "accept-language=de,en_US"
    for listed in ([], ["de", "a,b"], ["de", 1], ["de"] * 65):
        assert best_match_of("accept-language", listed) == "accept-language"


def test_several_lists_are_keyed_by_the_whole_header() -> None:
    one, two = "accept-language=de,en", "accept-language=de,fr"
    assert keyed_by([one, "origin"]) == {"accept-language": ("de", "en"), "origin": None}
    for learned in (
        [one, two],
        [one, "accept-language"],
        ["accept-language", one],
        [one, two, one],
    ):
        assert keyed_by(learned) == {"accept-language": None}
    assert refined(["accept-language", "x"], [one]) == (one, "x")
    assert outdated({"accept-language": ("de", "en")}, [one]) == frozenset()
    assert outdated({"accept-language": ("de", "en")}, [two]) == {"accept-language"}
    assert outdated({"accept-language": ("de", "en")}, []) == frozenset()
