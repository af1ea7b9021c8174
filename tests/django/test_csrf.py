"""P12 with Django's CSRF tokens: each visitor gets the stored page with tokens of their own."""

import re

import pytest
from django.conf import settings
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware, get_token, rotate_token
from django.template import engines
from django.test.utils import override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt, ensure_csrf_cookie
from freezegun import freeze_time
from werkzeug.test import Client

from isgware import revalidate
from isgware.django.csrf import clean_room_secret, unmasked
from tests.promises.kit import Manual

CSRF = "django.middleware.csrf.CsrfViewMiddleware"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
FORM = """{% load cache %}<form>{% csrf_token %}<form>{% csrf_token %}
<meta name=token content={{ csrf_token }}><script>const token = "{{ csrf_token }}"</script>"""
TOKEN = re.compile("[A-Za-z0-9]{64}")
FILLER = "<p>text that makes a page of it</p>\n" * 60


@revalidate(60)
def form(request):
    if request.method == "POST":
        return HttpResponse("done")
    return HttpResponse(engines["django"].from_string(FORM + FILLER).render({}, request))


def site(project, view=form, **given):
    given.setdefault("MIDDLEWARE", [CSRF])
    return project([path("form", view)], TEMPLATES=TEMPLATES, **given)


def tokens(reply):
    return TOKEN.findall(reply.text)


def post(client, token):
    return client.post("/form", data={"csrfmiddlewaretoken": token}).status_code


def test_every_visitors_form_works_and_nobody_elses(project):
    isg = site(project)
    visitors = [Client(isg) for _ in range(4)]
    replies = [visitor.get("/form") for visitor in visitors]
    assert [reply.headers["X-ISG-Cache"] for reply in replies] == ["MISS", "HIT", "HIT", "HIT"]
    for visitor, reply in zip(visitors, replies, strict=True):
        assert len(set(tokens(reply))) == len(tokens(reply)) == 4
        for other, theirs in zip(visitors, replies, strict=True):
            for token in tokens(theirs):
                assert post(visitor, token) == (200 if other is visitor else 403)
                visitor.get("/form")  # a POST purges the page: the next copy is a first one


def test_jinja2_has_tokens_too(project):
    @revalidate(60)
    def view(request):
        if request.method == "POST":
            return HttpResponse("done")
        text = "<form>{{ csrf_input }}</form><script>const token = '{{ csrf_token }}'</script>"
        return HttpResponse(engines["jinja2"].from_string(text).render({}, request))

    jinja = [{"BACKEND": "django.template.backends.jinja2.Jinja2"}]
    isg = project([path("form", view)], TEMPLATES=jinja, MIDDLEWARE=[CSRF])
    first, second = Client(isg), Client(isg)
    replies = [visitor.get("/form") for visitor in (first, second)]
    assert [reply.headers["X-ISG-Cache"] for reply in replies] == ["MISS", "HIT"]
    assert [len(tokens(reply)) for reply in replies] == [2, 2]
    assert post(first, tokens(replies[1])[1]) == 403
    assert post(second, tokens(replies[1])[1]) == 200


def test_the_hundredth_copy_is_as_good_as_the_first(project):
    isg, visitor = site(project), None
    seen = set()
    for _ in range(100):
        visitor = Client(isg)
        reply = visitor.get("/form", headers={"Accept-Encoding": "identity"})
        seen.update(tokens(reply), [visitor.get_cookie("csrftoken").value])
    assert len(seen) == 500
    assert post(visitor, tokens(reply)[0]) == 200


def test_who_has_a_cookie_keeps_their_secret(project):
    isg, visitor = site(project), None
    visitor = Client(isg)
    first, second = visitor.get("/form"), visitor.get("/form")
    assert second.headers["X-ISG-Cache"] == "HIT"
    assert {unmasked(token) for token in tokens(first) + tokens(second)} == {
        visitor.get_cookie("csrftoken").value
    }
    assert second.headers["Cache-Control"] == "private, no-cache"
    assert "Cookie" in second.headers["Vary"]
    assert not {"ETag", "Age", "Last-Modified"} & set(second.headers.keys())
    cookie = second.headers["Set-Cookie"]
    assert "SameSite=Lax" in cookie
    assert "Max-Age=" in cookie


def test_the_secret_of_clean_rooms_reaches_nobody(project):
    isg = site(project)
    for reply in [Client(isg).get("/form") for _ in range(3)]:
        assert clean_room_secret() not in str(reply.headers) + reply.text
        assert clean_room_secret() not in {unmasked(token) for token in tokens(reply)}
    [page] = isg.core.runtime.memory._pages.pages.values()
    assert not TOKEN.search(page.entry.body.decode().replace("0" * 64, ""))
    assert post(Client(isg), "0" * 64) == 403


@pytest.mark.parametrize("value", ["<script>alert(1)</script>", "x" * 31, "x" * 33, '"', "é" * 32])
def test_a_tossed_cookie_gets_a_new_secret_as_from_django(project, value):
    isg = site(project)
    Client(isg).get("/form")
    visitor = Client(isg, use_cookies=False)
    reply = visitor.get(
        "/form", headers={"Cookie": f"csrftoken={value}".encode().decode("latin-1")}
    )
    assert reply.headers["X-ISG-Cache"] == "HIT"
    assert "<script>alert" not in reply.text
    given = re.search("csrftoken=([A-Za-z0-9]{32});", reply.headers["Set-Cookie"])[1]
    assert {unmasked(token) for token in tokens(reply)} == {given}


def test_ensure_csrf_cookie_sends_a_cookie_with_the_stored_page(project):
    isg = site(project, revalidate(60)(ensure_csrf_cookie(lambda request: HttpResponse("page"))))
    replies = [Client(isg).get("/form") for _ in range(3)]
    assert [reply.headers["X-ISG-Cache"] for reply in replies] == ["MISS", "HIT", "HIT"]
    assert {reply.text for reply in replies} == {"page"}
    assert len({reply.headers["Set-Cookie"] for reply in replies}) == 3


def test_a_page_without_a_token_is_as_it_was(project):
    isg = site(project, revalidate(60)(lambda request: HttpResponse("page")))
    replies = [Client(isg).get("/form") for _ in range(2)]
    assert replies[1].headers["X-ISG-Cache"] == "HIT"
    assert "ETag" in replies[1].headers
    assert "Set-Cookie" not in replies[1].headers


def hidden(request):
    get_token(request)
    return HttpResponse("no token")


def reversed_(request):
    return HttpResponse(get_token(request)[::-1])


def glued(request):
    return HttpResponse("x" + get_token(request))


def strangers(request):
    return HttpResponse(f'<input name="csrfmiddlewaretoken" value="{"a" * 64}">')


def bare(request):
    get_token(request)
    return HttpResponse(request.META["CSRF_COOKIE"])


def both(request):
    return HttpResponse(f"{get_token(request)} {request.META['CSRF_COOKIE']}")


@pytest.mark.parametrize("view", [hidden, reversed_, glued, strangers, bare, both])
def test_a_token_that_is_not_found_keeps_the_page_out_of_the_store(project, view):
    isg = site(project, revalidate(60)(view))
    for _ in range(2):
        reply = Client(isg).get("/form")
        assert reply.headers["X-ISG-Cache"] == "BYPASS"
        assert "token-not-found" in reply.headers["Cache-Status"]
        assert clean_room_secret() not in reply.text


def test_a_token_out_of_the_apps_own_cache_is_found_again(project):
    kept = {}

    @revalidate(60)
    def view(request):
        return HttpResponse(kept.setdefault(request.path, f"<b>{get_token(request)}</b>"))

    isg = site(project, view)
    Client(isg).get("/form")
    isg.purge_path("/form")
    visitor = Client(isg)
    reply = visitor.get("/form")
    assert reply.headers["X-ISG-Cache"] == "REVALIDATED"
    assert {unmasked(token) for token in tokens(reply)} == {visitor.get_cookie("csrftoken").value}


def test_tokens_in_sessions_are_saved_to_the_visitors(project):
    isg = site(
        project, MIDDLEWARE=[SESSIONS, CSRF], CSRF_USE_SESSIONS=True,
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    )  # fmt: skip
    visitors = [Client(isg) for _ in range(3)]
    replies = [visitor.get("/form") for visitor in visitors]
    assert [reply.headers["X-ISG-Cache"] for reply in replies] == ["MISS", "HIT", "HIT"]
    assert all(visitor.get_cookie("sessionid") for visitor in visitors)
    assert post(visitors[1], tokens(replies[0])[0]) == 403
    assert post(visitors[0], tokens(replies[0])[0]) == 200


def test_settings_of_the_cookie_hold(project):
    isg = site(project, CSRF_COOKIE_NAME="mine", CSRF_COOKIE_HTTPONLY=True, CSRF_COOKIE_PATH="/f")
    replies = [Client(isg).get("/form") for _ in range(2)]
    assert replies[1].headers["X-ISG-Cache"] == "HIT"
    for reply in replies:
        assert re.match(r"mine=\w{32};.*HttpOnly.*Path=/f", reply.headers["Set-Cookie"])


class Marking(CsrfViewMiddleware):
    """A project's own, which looks at more of a request than its cookies."""

    def _set_csrf_cookie(self, request, response):
        super()._set_csrf_cookie(request, response)
        response.cookies[settings.CSRF_COOKIE_NAME]["comment"] = request.get_host()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"CSRF_COOKIE_DOMAIN": "localhost", "CSRF_COOKIE_SECURE": True},
        {"CSRF_COOKIE_SAMESITE": False, "CSRF_COOKIE_AGE": None},
        {"MIDDLEWARE": [f"{__name__}.Marking"]},
    ],
)
def test_the_cookie_is_the_one_that_django_sends(project, given):
    isg = site(project, **given)
    visitor = Client(isg)
    with freeze_time("2026-11-30 12:00:00.4"):
        replies = [visitor.get("/form") for _ in range(2)]
    secret = replies[0].headers["Set-Cookie"].partition(";")[0]
    with freeze_time("2026-11-30 12:00:07.9"):
        stored = visitor.get("/form", headers={"Cookie": secret})
        own = visitor.get("/form?a=1", headers={"Cookie": secret, "Authorization": "Basic eDp5"})
    assert [reply.headers["X-ISG-Cache"] for reply in (*replies, stored, own)] == [
        "MISS", "HIT", "HIT", "BYPASS",
    ]  # fmt: skip
    assert stored.headers["Set-Cookie"] == own.headers["Set-Cookie"].strip()


def test_a_form_that_is_not_declared_is_learned(project):
    later = Manual()
    options = {"store": "memory:", "revalidate": 60, "executor": later}
    isg = site(project, form.__wrapped__, ISGWARE=options)
    first = Client(isg).get("/form", buffered=True)
    assert "learning" in first.headers["Cache-Status"]
    later.run()
    visitor = Client(isg)
    reply = visitor.get("/form")
    assert reply.headers["X-ISG-Cache"] == "HIT"
    assert post(visitor, tokens(reply)[0]) == 200


def answers(request):
    """A site that fails while it is told to."""
    return HttpResponse(get_token(request), status=503 if FAILING else 200)


FAILING = []


def test_an_error_with_a_token_is_made_for_each_visitor(project):
    isg = site(project, revalidate(60)(answers))
    Client(isg).get("/form")
    FAILING.append(True)
    try:
        isg.purge_path("/form")
        replies = [Client(isg).get("/form") for _ in range(2)]
    finally:
        FAILING.clear()
    assert [reply.status_code for reply in replies] == [503, 503]
    assert all(reply.headers.get("Set-Cookie") for reply in replies)
    assert clean_room_secret() not in {unmasked(reply.text) for reply in replies}


@pytest.mark.parametrize("around", ['<meta name="csrf" content="{}">', "let csrfToken = '{}'"])
def test_a_visitors_token_out_of_the_apps_own_cache_reaches_nobody(project, around):
    kept = {}

    def view(request):
        if not kept:
            kept["fragment"] = around.format(get_token(request))
        return HttpResponse(kept["fragment"])

    isg = project([path("form", revalidate(60)(view)), path("first", view)])
    victim = Client(isg.core.application)
    victim.get("/first")
    for _ in range(2):
        reply = Client(isg).get("/form")
        assert reply.headers["X-ISG-Cache"] == "BYPASS"
        assert "token-not-found" in reply.headers["Cache-Status"]


def test_a_hash_that_is_as_long_as_a_token_stays(project):
    isg = site(project, revalidate(60)(lambda request: HttpResponse(f"<b>{'a1' * 32}</b>")))
    replies = [Client(isg).get("/form") for _ in range(2)]
    assert [reply.headers["X-ISG-Cache"] for reply in replies] == ["MISS", "HIT"]


def enter(request):
    request.session["name"] = request.GET["name"]
    rotate_token(request)
    return HttpResponse("entered")


@pytest.mark.parametrize("use_sessions", [False, True])
@pytest.mark.parametrize("engine", ["signed_cookies", "cache", "file"])
def test_who_has_a_session_keeps_it_and_gets_tokens_of_theirs(
    project, engine, use_sessions, tmp_path
):
    isg = project(
        [path("form", form), path("enter", csrf_exempt(enter))], TEMPLATES=TEMPLATES,
        MIDDLEWARE=[SESSIONS, CSRF], CSRF_USE_SESSIONS=use_sessions,
        SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}",
        SESSION_FILE_PATH=str(tmp_path), ISGWARE={"store": "memory:", "enabled": True},
    )  # fmt: skip
    ann, bob, _ = visitors = [Client(isg) for _ in range(3)]
    first = ann.get("/form")
    for visitor, name in ((ann, "Ann"), (bob, "Bob")):
        visitor.post(f"/enter?name={name}")  # a login, which rotates the token
    replies = [visitor.get("/form") for visitor in visitors]
    assert [reply.headers["X-ISG-Cache"] for reply in replies] == ["HIT"] * 3
    assert post(ann, tokens(first)[0]) == 403
    for visitor in visitors:
        for other, theirs in zip(visitors, replies, strict=True):
            assert post(visitor, tokens(theirs)[0]) == (200 if other is visitor else 403)
    again = ann.get("/form")
    assert post(ann, tokens(replies[0])[0]) == post(ann, tokens(again)[0]) == 200
    if engine == "file":
        kept = {one.read_text() for one in tmp_path.iterdir()}
        assert len(kept) == (3 if use_sessions else 2)
    if hasattr(FileStore, "_storage_path"):
        del FileStore._storage_path


def test_a_new_key_ends_sessions_and_not_the_stored_page(project):
    isg = site(
        project, MIDDLEWARE=[SESSIONS, CSRF], CSRF_USE_SESSIONS=True, SECRET_KEY="old",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    )  # fmt: skip
    visitor = Client(isg)
    old = visitor.get("/form")
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        reply = visitor.get("/form")
        assert reply.headers["X-ISG-Cache"] == "HIT"
        assert post(visitor, tokens(old)[0]) == 200  # the session is still known
    with override_settings(SECRET_KEY="newer"):
        reply = visitor.get("/form")
        assert post(visitor, tokens(old)[0]) == 403
        reply = visitor.get("/form")
        assert post(visitor, tokens(reply)[0]) == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("sent", [{}, {"If-None-Match": "*"}, {"Range": "bytes=0-9"}])
def test_no_answer_with_a_token_may_be_kept_by_anybody(project, method, sent):
    isg = site(project)
    for _ in range(3):
        reply = Client(isg).open("/form", method=method, headers=sent)
        assert reply.status_code == 200
        assert reply.headers["Cache-Control"] == "private, no-cache"
        assert "Cookie" in reply.headers["Vary"]
        assert not {"X-Accel-Expires", "ETag", "Age"} & set(reply.headers.keys())
