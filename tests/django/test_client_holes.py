"""Holes that the browser fills, in Django."""

from __future__ import annotations

from django.http import HttpResponse
from django.template import engines

from isgware import hole, page, revalidate
from tests.django.test_holes import CSRF, FILLER, HOOK, SESSIONS, renders, site, visitor
from tests.django.test_holes import registry as registry
from tests.flask.test_client_holes import asks, made

PAGE = (
    """{% load isgware %}<p>{% hole "_account.html" client=True %}</p>
<p>{% hole "basket" small=True client=True %}<a>Basket</a>{% endhole %}</p>"""
    + FILLER
)


def test_the_page_is_public_and_the_script_gets_each_visitors_own(project):
    isg = site(project, PAGE)
    first = visitor(isg).get("/page")
    assert "<b>stranger</b></isg-hole>" in first.text
    assert "<a>Basket</a></isg-hole>" in first.text
    for name in ("ann", None):
        got = visitor(isg, name).get("/page")
        assert got.data == first.data
        assert got.headers["X-ISG-Cache"] == "HIT"
        assert got.headers["Cache-Control"].startswith("public")
    renders.clear()
    got = visitor(isg, "ann").get(asks(first.text))
    assert made(got) == {"0": "<b>ann</b>", "1": "<i>2 items small</i>"}
    assert got.headers["Cache-Control"] == "private, no-store"
    assert renders.count("view") == 0
    assert visitor(isg, "bob").get(asks(first.text)).text.count("bob") == 1


def test_in_python_and_with_a_token_in_a_hole(project):
    def view(request):
        return HttpResponse(f"<p>{page.hole('form', client=True, request=request)}</p>{FILLER}")

    @hole("form")
    def form(request):
        if not request.session.get("user"):
            return "Log in to comment"
        return engines["django"].from_string("<form>{% csrf_token %}</form>").render({}, request)

    isg = site(project, view=revalidate(60)(view), middleware=(SESSIONS, CSRF, HOOK))
    first = visitor(isg).get("/page")
    assert first.headers["Cache-Control"].startswith("public")
    ann = visitor(isg, "ann")
    text = made(ann.get(asks(first.text)))["0"]
    token = text.partition('value="')[2].partition('"')[0]
    assert ann.get_cookie("csrftoken") is not None
    assert ann.post("/order", data={"csrfmiddlewaretoken": token}).text == "ordered"
    assert (
        visitor(isg, "bob").post("/order", data={"csrfmiddlewaretoken": token}).status_code == 403
    )


def test_errors_of_tags_say_which_hole(project, caplog):
    isg = site(project, '{% load isgware %}{% hole "basket" client="yes" %}' + FILLER)
    assert visitor(isg).get("/page").status_code == 500
    assert "The hole 'basket': client= takes True or False, not 'yes'. (" in caplog.text
    assert ", line 1)" in caplog.text


def test_below_a_mount_that_a_proxy_takes_off(project):
    isg = site(project, PAGE, FORCE_SCRIPT_NAME="/shop")
    text = visitor(isg).get("/page").text
    assert 'src="/shop/_isg/holes.' in text
    url = asks(text)
    assert url.startswith("/shop/_isg/holes?page=%2Fpage&")
    got = visitor(isg, "ann").get(url.removeprefix("/shop"))
    assert made(got)["0"] == "<b>ann</b>"
