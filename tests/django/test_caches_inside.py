"""Django's own caches inside the project, around the site, a view or a fragment: with pages that
read their visitor and pages that do not, everybody gets what the bare project gives them."""

import os
import random

import pytest
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.template import engines
from django.urls import path
from django.views.decorators.cache import cache_page
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.vary import vary_on_cookie

from isgware import revalidate
from tests.promises.kit import Clock, Manual

from .test_csrf import TOKEN
from .test_reads import BACKENDS, MIDDLEWARE, Jar, tell, write

TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.messages.context_processors.messages",
    ]},
}]  # fmt: skip
WAYS = ("site", "view", "fragment")
PAGES = {
    "plain": "plain",
    "name": "{{ request.session.name }}",
    "theme": "{{ request.COOKIES.theme }}",
    "form": "{% csrf_token %}",
    "whole": "{% for key in request.session.keys %}{{ key }}{% endfor %}",
    "messages": "{% for message in messages %}{{ message }}{% endfor %}",
}
#: What a fragment of the page is kept by.
KEYS = {
    "name": "request.session.name", "theme": "request.COOKIES.theme", "form": "csrf_token",
    "whole": "request.session.keys",
}  # fmt: skip
#: What a view that is cached by itself needs; else Django gives the first visitor's page to all, as
#: it does in any case with a page that shows a cookie and does not say so.
WITHIN = {"plain": lambda view: view, "form": csrf_protect}
SESSION_MESSAGES = "django.contrib.messages.storage.session.SessionStorage"


def text_of(name, way):
    if way != "fragment" or name == "messages":
        return PAGES[name]
    key = KEYS.get(name, "")
    return f"{{% load cache %}}{{% cache 600 {name} {key} %}}{PAGES[name]}{{% endcache %}}"


def views(way):
    for name in PAGES:
        text = text_of(name, way)

        def view(request, text=text):
            return HttpResponse(engines["django"].from_string(text).render({}, request))

        if way == "view":
            view = cache_page(600)(WITHIN.get(name, vary_on_cookie)(view))
        elif way == "site" and name == "theme":
            view = vary_on_cookie(view)
        yield path(name, revalidate(60)(view))
    for name, view in (("set", write), ("tell", tell)):
        yield path(name, view)


def around(way):
    if way != "site":
        return MIDDLEWARE
    where = "django.middleware.cache"
    return [f"{where}.UpdateCacheMiddleware", *MIDDLEWARE, f"{where}.FetchFromCacheMiddleware"]


def visits(seed):
    """What five visitors do, the same for each project."""
    chosen = random.Random(seed)
    for _ in range(150):
        who, dice = chosen.randrange(5), chosen.random()
        if dice < 0.15:
            yield who, chosen.choice(["/set?name=Ann", "/set?name=Bob", "/set?basket=1", "/tell"])
        elif dice < 0.2:
            yield who, "theme"
        elif dice < 0.22:
            yield who, "later"
        else:
            yield who, f"/{chosen.choice(list(PAGES))}"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(50) if os.environ.get("ISGWARE_LONG") else [1, 2])
def test_p11_everybody_gets_what_the_bare_project_gives_them(project, way, seed):
    clock, later = Clock(), Manual()
    isg = project(
        list(views(way)), SESSION_ENGINE=f"{BACKENDS}.signed_cookies", TEMPLATES=TEMPLATES,
        MIDDLEWARE=around(way), MESSAGE_STORAGE=SESSION_MESSAGES,
        ISGWARE={"store": "memory:", "enabled": True, "clock": clock, "executor": later},
    )  # fmt: skip
    answers, hits = [], 0
    for app in (get_wsgi_application(), isg):
        cache.clear()
        jars = [Jar(app) for _ in range(5)]
        answers.append([])
        for who, what in visits(seed):
            if what == "theme":
                jars[who].cookies["theme"] = "dark"
            elif what == "later":
                clock.tick(61)
                later.run()
            else:
                reply = jars[who].visit(what)
                answers[-1].append((who, what, TOKEN.sub("a token", reply.text)))
                hits += reply.cache in ("HIT", "STALE")
    cache.clear()
    assert answers[1] == answers[0]
    assert hits > 15
