"""The catalogue, used as its visitors and its webhooks would."""

import re
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from examples.flask_app import notes, views
from tests.examples.browser import Browser
from tests.examples.conftest import SECRET
from tests.examples.serving import ROOT, gunicorn

STORED = ["/", "/country", "/country/FR", "/api/country/FR.json", "/currency/EUR", "/names", "/now"]
UNDECLARED = ["/search?q=land", "/login", "/static/style.css", "/api/revalidate", "/nowhere"]


TOKEN = re.compile(r'(name="csrf_token"[^>]*value=")([^"]+)')
NONCE = re.compile(r"(nonce[-=]\"?)([\w-]{16,})")


def plain(response: TestResponse) -> str:
    """Without what is another in each answer."""
    return NONCE.sub(r"\1N", TOKEN.sub(r"\1T", response.text))


def submit(client: Client, path: str, form: str | None = None, **fields: str) -> TestResponse:
    """Open the page that has the form (by default ``path`` itself), then send it filled in."""
    token = TOKEN.search(client.get(form or path).text)
    assert token
    return client.post(path, data={**fields, "csrf_token": token[2]})


def state(response: TestResponse) -> str | None:
    return response.headers.get("X-ISG-Cache")


@pytest.mark.parametrize("path", STORED)
def test_the_first_visit_renders_and_the_second_hits(client: Client, path: str) -> None:
    first, second = client.get(path), client.get(path)
    assert [state(first), state(second)] == ["MISS", "HIT"]
    assert second.status_code == 200
    assert plain(second) == plain(first)
    assert second.headers.get("ETag") == first.headers.get("ETag")


@pytest.mark.parametrize("path", UNDECLARED)
def test_what_is_not_declared_passes_untouched(client: Client, path: str) -> None:
    for _ in range(2):
        with client.get(path) as response:
            headers = response.headers
        assert not {"X-ISG-Cache", "Cache-Status", "Age"} & set(headers.keys())


def test_each_list_page_is_a_page_of_its_own(client: Client) -> None:
    first, second = client.get("/country?page=1"), client.get("/country?page=2")
    assert [state(first), state(second)] == ["MISS", "MISS"]
    assert "Page 2 of 9" in second.text
    assert client.get("/country?page=1").data == first.data
    assert client.get("/country?page=2").data == second.data


@pytest.mark.parametrize("noise", ["utm_source=letter", "gclid=1", "sort=name", "PAGE=3", "="])
def test_other_parameters_do_not_multiply_pages(client: Client, app: Flask, noise: str) -> None:
    client.get("/country?page=2")
    response = client.get(f"/country?{noise}&page=2")
    assert state(response) == "HIT"
    assert "Page 2 of 9" in response.text
    assert len(list(app.extensions["isgware"].pages("/country"))) == 1


def test_a_new_note_shows_at_once_wherever_it_belongs(client: Client) -> None:
    paths = ["/country/IS", "/api/country/IS.json", "/"]
    for path in paths:
        assert "Hot springs" not in client.get(path).text
    answer = submit(client, "/country/IS", text="Hot springs!")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/country/IS#notes")
    assert "Thank you for your note." in client.get("/country/IS").text  # hers alone, and once
    other = Client(client.application)
    for path in paths:
        response = other.get(path)
        assert "Hot springs!" in response.text
        assert "Thank you" not in response.text
        assert state(response) == "REVALIDATED"
        assert [state(who.get(path)) for who in (client, other)] == ["HIT", "HIT"]


def test_a_changed_or_deleted_note_shows_at_once(client: Client, app: Flask) -> None:
    editor = Client(client.application)
    submit(client, "/language/is", text="Þ is a letter")
    assert editor.get("/notes/1/edit").headers["Location"].startswith("/login")
    submit(editor, "/login", name="editor", password="catalogue")
    submit(editor, "/notes/1/edit", text="Ð is one too")
    for visitor in (client, editor):
        assert "Ð is one too" in visitor.get("/language/is").text
    submit(editor, "/notes/1/edit", delete="1")
    for visitor in (client, editor):
        assert "Nobody has written one yet" in visitor.get("/language/is").text


def test_who_is_logged_in_gets_the_stored_page_with_pieces_of_their_own(client: Client) -> None:
    editor = Client(client.application)
    assert submit(editor, "/login", name="editor", password="guess").status_code == 200
    assert submit(editor, "/login", name="editor", password="catalogue").status_code == 303
    editor.get("/")  # shows the message
    for path in ("/country", "/country/NO"):
        client.get(path)
        own = editor.get(path)
        assert ">editor</a>" in own.text
        assert (state(own), "detail=filled" in own.headers["Cache-Status"]) == ("HIT", True)
        assert own.headers["Cache-Control"] == "private, no-cache"
        assert ("Yours to edit: nothing yet." in own.text) is (path == "/country/NO")
        theirs = client.get(path)
        assert ">Log in</a>" in theirs.text
        assert "Yours to edit" not in theirs.text
    submit(editor, "/country/NO", text="Fjords")
    editor.get("/country/NO")
    assert ">note 1</a>" in editor.get("/country/NO").text
    assert submit(editor, "/logout", form="/login").status_code == 303
    assert "You are logged out." in editor.get("/").text
    assert state(editor.get("/country")) == "HIT"


def test_tokens_and_nonces_of_a_stored_page_are_each_visitors_own(client: Client) -> None:
    other = Client(client.application)
    pages = [client.get("/country/NO"), other.get("/country/NO"), other.get("/country/NO")]
    assert [state(page) for page in pages] == ["MISS", "HIT", "HIT"]
    for page in pages:
        said = NONCE.search(page.headers["Content-Security-Policy"])
        written = NONCE.search(page.text)
        assert said
        assert written
        assert said[2] == written[2]
    assert len({page.headers["Content-Security-Policy"] for page in pages}) == 3
    tokens = [found[2] for page in pages if (found := TOKEN.search(page.text))]
    foreign = other.post("/country/NO", data={"text": "spam", "csrf_token": tokens[0]})
    own = other.post("/country/NO", data={"text": "fjords", "csrf_token": tokens[2]})
    assert (foreign.status_code, own.status_code) == (400, 303)


def test_a_note_leaves_the_other_pages_alone(client: Client) -> None:
    client.get("/country/NO")
    submit(client, "/country/IS", text="elsewhere")
    client.get("/country/IS")  # shows the message
    assert state(client.get("/country/NO")) == "HIT"


def test_a_post_purges_its_own_page_unasked(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent:
        def purge_tag(self, *tags: str) -> None: ...
        def purge_path(self, path: str) -> None: ...

    monkeypatch.setattr(views, "_isg", Silent)
    for path in ("/country/IS", "/country/NO"):
        client.get(path)
    submit(client, "/country/IS", text="Geysir")
    assert "Geysir" in client.get("/country/IS").text
    assert state(client.get("/country/NO")) == "HIT"


def test_a_refused_note_purges_nothing(client: Client) -> None:
    client.get("/country/IS")
    too_long = submit(client, "/country/IS", text="x" * (notes.LENGTH + 1))
    foreign = client.post("/country/IS", data={"text": "spam"})
    assert (too_long.status_code, foreign.status_code) == (400, 400)
    assert state(client.get("/country/IS")) == "HIT"


def test_a_visitors_cookie_neither_splits_nor_reaches_a_page(client: Client) -> None:
    first = client.get("/country/IS", headers={"Cookie": "who=me"})
    second = client.get("/country/IS", headers={"Cookie": "who=you"})
    assert [state(first), state(second)] == ["MISS", "HIT"]


def test_one_page_per_language_that_the_site_speaks(client: Client) -> None:
    def visit(wish: str) -> TestResponse:
        return client.get("/names", headers={"Accept-Language": wish})

    german, swiss, french = visit("de"), visit("de;q=0.9, tlh"), visit("fr,en;q=0.2")
    assert [state(r) for r in (german, swiss, french)] == ["MISS", "HIT", "MISS"]
    assert "Island" in german.text
    assert "Islande" in french.text
    assert french.headers["Content-Language"] == "fr"
    assert "accept-language" in french.headers["Vary"].lower()


def test_a_webhook_without_the_secret_is_refused(client: Client) -> None:
    for url in ("/api/revalidate", "/api/revalidate?secret=guess", "/api/revalidate?secret=%ff"):
        answer = client.post(url)
        assert (answer.status_code, answer.json) == (401, {"message": "Invalid token"})


def test_a_webhook_regenerates_a_page(client: Client, app: Flask) -> None:
    client.get("/country/IS")
    notes.add(app.config["CATALOGUE_DB"], "country", "IS", "from elsewhere")
    assert "from elsewhere" not in client.get("/country/IS").text
    answer = client.get(f"/api/revalidate?secret={SECRET}&path=/country/IS")
    assert (answer.status_code, answer.json) == (200, {"revalidated": True})
    renewed = client.get("/country/IS")
    assert "from elsewhere" in renewed.text
    assert state(renewed) == "HIT"


def test_a_failed_regeneration_keeps_the_page(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = client.get("/country/IS")
    with monkeypatch.context() as broken:
        broken.setattr(notes, "of_item", lambda *_: 1 / 0)
        answer = client.get(f"/api/revalidate?secret={SECRET}&path=/country/IS")
    assert (answer.status_code, answer.text) == (500, "Error revalidating")
    assert plain(client.get("/country/IS")) == plain(before)


@pytest.mark.parametrize("path", ["http://127.0.0.1/x", "//127.0.0.1/x", "country/IS", "/\r\nx"])
def test_a_webhook_names_paths_of_this_site(client: Client, path: str) -> None:
    answer = client.get("/api/revalidate", query_string={"secret": SECRET, "path": path})
    assert answer.status_code == 400


def test_what_one_worker_purges_no_worker_shows(tmp_path: Path) -> None:
    environ = {
        "CATALOGUE_DB": str(tmp_path / "notes.sqlite"),
        "ISGWARE_STORE": f"file:{tmp_path / 'pages'}",
    }
    target = "examples.flask_app.app:app"
    with gunicorn(target, ROOT, tmp_path / "log", **environ) as site:
        visitor = Browser(site)
        for number in range(8):
            added = visitor.submit("/country/IS", text=f"note {number}")
            assert added.url.endswith("/country/IS#notes") or added.url.endswith("/country/IS")
            for _ in range(6):  # each on a connection of its own, so to either worker
                assert f"note {number}" in visitor.get("/country/IS").text
        assert visitor.get("/country/IS").state == "HIT"
