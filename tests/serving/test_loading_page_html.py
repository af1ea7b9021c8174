"""`isgware.serving.loading_page_html`: the page's text and its script."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

from isgware.serving.loading_page_html import BUILT_IN, SCRIPT, SCRIPT_HASH, template, text_of

KEY = "0123456789abcdef" * 2 + "01234567"


def text(page: str) -> str:
    return template(page).body(KEY).decode()


def test_the_built_in_page_is_small_and_asks_nobody_else() -> None:
    body = BUILT_IN.body(KEY)
    assert len(body) < 4_000
    assert not re.search(rb"(src|href)=\"?(https?:)?//|@import|url\(", body)


@pytest.mark.parametrize(
    "part",
    [
        '<html lang="en">',
        'role="status"',
        "prefers-reduced-motion",
        "color-scheme:light dark",
        'name="viewport"',
        '<noscript><meta http-equiv="refresh" content="2"></noscript>',
        f'<script data-isg-key="{KEY}">',
    ],
)
def test_the_built_in_page_has(part: str) -> None:
    assert part in BUILT_IN.body(KEY).decode()


def test_its_policy_allows_what_it_holds_and_no_more() -> None:
    body = BUILT_IN.body(KEY).decode()
    for element, text in re.findall(r"<(script|style)[^>]*>(.*?)</\1>", body, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in BUILT_IN.policy
    assert "default-src 'none'" in BUILT_IN.policy


def test_the_script_is_the_same_on_every_page() -> None:
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    assert f"sha256-{digest}" == SCRIPT_HASH
    assert f">{SCRIPT}</script>" in text("<p>Wait")
    assert "</" not in SCRIPT


@pytest.mark.parametrize(
    "page",
    [
        "<!doctype html><html><head><title>x</title></head><body><p>Wait</p></body></html>",
        "<HTML><HEAD></HEAD ><BODY><p>Wait</p></BODY\n></HTML>",
    ],
    ids=["lower case", "capitals"],
)
def test_the_script_goes_to_the_end_of_the_body_and_the_refresh_into_the_head(page: str) -> None:
    made = text(page)
    order = [
        made.lower().index(part) for part in ("<noscript>", "</head", "wait", "<script", "</body")
    ]
    assert order == sorted(order)


def test_a_page_without_a_body_element_gets_both_at_its_end() -> None:
    made = text("<p>Wait")
    assert made.startswith("<p>Wait<noscript>")
    assert "<script" in made


def test_only_the_last_body_end_counts() -> None:
    made = text("<body><!-- </body> --><p>Wait</p></body>")
    assert made.index("Wait") < made.index("<script")


def test_the_last_word_is_a_slow_refresh_for_when_the_script_is_blocked() -> None:
    made = text("<body></body>")
    assert made.index("</script>") < made.index('<meta http-equiv="refresh" content="30">')


def test_text_is_html_or_what_a_file_holds(tmp_path: Path) -> None:
    file = tmp_path / "wait.html"
    file.write_text("<p>Patience…", encoding="utf-8")
    assert [text_of("<p>"), text_of(file), text_of(str(file))] == ["<p>", *["<p>Patience…"] * 2]
