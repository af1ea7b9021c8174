"""The blog on two gunicorn workers, over real HTTP."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.examples.browser import Answer, Browser
from tests.examples.serving import ROOT, gunicorn

HERE = ROOT / "examples" / "django_app"
USER = {"username": "writer", "password": "a-long-enough-one"}
SET_UP = """
from django.contrib.auth import get_user_model
from django.core.management import call_command

call_command("migrate", verbosity=0)
call_command("load_posts")
get_user_model().objects.create_superuser({username!r}, password={password!r})
"""
TOKEN = re.compile(r'(?<=name="csrfmiddlewaretoken" value=")[^"]+')
STORED = ["/", "/?page=2", "/topics/wheels/", "/posts/truing-by-ear/", "/feed.xml"]
CHANGE = "/admin/blog/post/8/change/"  # of "Truing by ear"
UNDECLARED = ["/desk/", "/accounts/login/", "/admin/login/", "/static/blog/style.css", "/nowhere"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    environ = {
        "BLOG_VAR": str(tmp_path / "var"),
        "BLOG_DEBUG": "0",
        "DJANGO_SETTINGS_MODULE": "project.settings",
    }
    subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{SET_UP.format(**USER)}"],
        cwd=HERE,
        env={**os.environ, **environ},
        check=True,
        timeout=300,
    )
    with gunicorn("project.wsgi", HERE, tmp_path / "log", **environ) as url:
        yield url


@pytest.fixture
def visitor(site: str) -> Browser:
    return Browser(site)


@pytest.fixture
def writer(site: str) -> Browser:
    browser = Browser(site)
    desk = browser.submit("/accounts/login/", **USER, next="/desk/")
    assert desk.url == f"{site}/desk/"
    return browser


def test_declared_pages_are_stored_and_the_others_are_not(visitor: Browser) -> None:
    first = [visitor.get(path) for path in STORED]
    second = [visitor.get(path) for path in STORED]
    assert [answer.state for answer in first] == ["MISS"] * len(STORED)
    assert [answer.state for answer in second] == ["HIT"] * len(STORED)
    for one, other in zip(first, second, strict=True):
        assert TOKEN.sub("T", one.text) == TOKEN.sub("T", other.text)
    for path in UNDECLARED:
        headers = visitor.get(path).headers
        assert not {"X-ISG-Cache", "Cache-Status", "Age"} & set(headers.keys()), path


def test_tracking_parameters_do_not_multiply_pages(visitor: Browser) -> None:
    page = visitor.get("/?page=2")
    tracked = visitor.get("/?utm_campaign=spring&page=2&fbclid=x")
    assert tracked.state == "HIT"
    assert tracked.text == page.text


def test_what_is_saved_in_the_admin_shows_at_once(visitor: Browser, writer: Browser) -> None:
    post, its_list = "/posts/truing-by-ear/", "/?page=3"
    for path in (post, its_list):
        assert "Listen" not in visitor.get(path).text
    saved = writer.submit(CHANGE, **_fields("Listen to your wheels", "truing-by-ear"))
    assert "was changed successfully" in saved.text
    for _ in range(6):  # each on a connection of its own, so to either worker
        assert "Listen to your wheels" in visitor.get(post).text
        assert "Listen to your wheels" in visitor.get(its_list).text


def test_a_renamed_post_leaves_its_old_address(visitor: Browser, writer: Browser) -> None:
    assert visitor.get("/posts/truing-by-ear/").state == "MISS"
    assert visitor.get("/posts/by-ear/").status == 404
    writer.submit(CHANGE, **_fields("By ear", "by-ear"))
    for _ in range(6):
        assert visitor.get("/posts/truing-by-ear/").status == 404
        assert "<h1>By ear</h1>" in visitor.get("/posts/by-ear/").text


def test_a_post_that_moves_shows_in_its_new_topic_only(visitor: Browser, writer: Browser) -> None:
    old, new, other = "/topics/wheels/", "/topics/lights/", "/topics/brakes/"
    assert "Truing" in visitor.get(old).text
    assert "Truing" not in visitor.get(new).text
    visitor.get(other)
    moved = _fields("Truing by ear", "truing-by-ear", topic="4")
    assert "was changed successfully" in writer.submit(CHANGE, **moved).text
    for _ in range(6):
        assert "Truing" not in visitor.get(old).text
        assert "Truing" in visitor.get(new).text
        assert visitor.get(other).state == "HIT"


def test_a_new_post_is_there_at_once(visitor: Browser, writer: Browser) -> None:
    post = "/posts/on-bells/"
    assert visitor.get(post).status == 404
    assert "On bells" not in visitor.get("/").text
    fields = _fields(
        "On bells", "on-bells", day=datetime.now(UTC).date().isoformat(), time="00:00:00"
    )
    assert "was added successfully" in writer.submit("/admin/blog/post/add/", **fields).text
    for _ in range(6):
        assert "<h1>On bells</h1>" in visitor.get(post).text
        assert "On bells" in visitor.get("/").text
    deleted = writer.submit("/admin/blog/post/13/delete/", post="yes")
    assert "was deleted successfully" in deleted.text
    assert visitor.get(post).status == 404


def test_a_draft_is_public_as_soon_as_it_is_published(visitor: Browser, writer: Browser) -> None:
    draft = "/posts/spring-sale-of-things-we-found-in-the-cellar/"
    assert visitor.get(draft).status == 404
    assert "Spring sale" not in visitor.get("/?page=3").text
    desk = writer.submit("/desk/12/publish/", form="/desk/")
    assert "is published." in desk.text
    for _ in range(6):
        assert visitor.get(draft).status == 200
        assert "Spring sale" in visitor.get("/?page=3").text


def test_a_writer_gets_stored_pages_with_their_name_and_drafts(
    visitor: Browser, writer: Browser
) -> None:
    public = visitor.get("/posts/truing-by-ear/")
    own = writer.get("/posts/truing-by-ear/")
    assert own.state == "HIT"
    assert "detail=filled" in own.headers["Cache-Status"]
    assert "desk</a> (1)" in own.text
    assert "desk</a> (1)" not in public.text
    assert "writer" in own.text
    assert "writer" not in public.text
    assert visitor.get("/posts/truing-by-ear/").state == "HIT"


def test_the_desk_is_for_those_who_are_logged_in(visitor: Browser, writer: Browser) -> None:
    assert "Hello, writer" in writer.get("/desk/").text
    assert visitor.get("/desk/").url == f"{visitor.site}/accounts/login/?next=/desk/"


def _fields(
    title: str, slug: str, topic: str = "5", day: str = "2024-05-01", time: str = "10:00:00"
) -> dict[str, str]:
    """What the admin's form for post 8 sends; not ``draft``, which is a box left empty."""
    return {
        "title": title,
        "slug": slug,
        "topic": topic,
        "summary": "Pluck the spokes.",
        "body": "A wheel can be perfectly straight and about to fail.",
        "published_0": day,
        "published_1": time,
    }


def test_everybody_may_comment_on_a_stored_post(visitor: Browser, writer: Browser) -> None:
    post = "/posts/truing-by-ear/"
    other = Browser(visitor.site)
    assert [visitor.get(post).state, other.get(post).state] == ["MISS", "HIT"]
    answer = visitor.submit(post, name="Ada", text="Mine is out of tune.")
    assert "Thank you for your comment." in answer.text
    for _ in range(6):
        seen = other.get(post)
        assert "Mine is out of tune." in seen.text
        assert "Thank you" not in seen.text
    assert visitor.get(post).state == "HIT"
    refused = visitor.submit(post, name="Ada", text="x" * 501)
    assert (refused.status, "501" in refused.text) == (200, True)
    assert "Mine is out of tune." in writer.get(post).text


def test_each_language_is_a_page_of_its_own(visitor: Browser) -> None:
    def visit(wish: str) -> Answer:
        return visitor.get("/posts/truing-by-ear/", **{"Accept-Language": wish})

    german, english, swiss = visit("de"), visit("en"), visit("de-CH,de;q=0.8")
    assert ["Kommentare" in page.text for page in (german, english, swiss)] == [True, False, True]
    assert swiss.state == "HIT"
