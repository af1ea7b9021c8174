"""Sites with accounts, Django's own and allauth's: what is read of the user makes a page theirs,
and no cookie, session or token of one visitor reaches another. ``ISGWARE_LONG=1``: for longer."""

import os
import random
import re

import pytest
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.template import engines
from django.urls import include, path
from werkzeug.test import Client

from isgware import revalidate
from tests.promises.kit import Clock, Manual

from .test_reads import BACKENDS, MIDDLEWARE

LONG = bool(os.environ.get("ISGWARE_LONG"))
STEPS = 10_000 if LONG else 120
ENGINES = ["db", "cached_db", "cache", "signed_cookies"]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]  # fmt: skip
FORM = "<form method=post>{% csrf_token %}{{ form }}</form>"
VIEWS = {
    "plain": "plain",
    "user": "{% if user.is_authenticated %}hello {{ user.username }}{% else %}sign in{% endif %}",
    "form": FORM,
    "form-of": "{{ user.username }}" + FORM,
    "messages": "{% for m in messages %}{{ m }}{% endfor %}",
}
TOKEN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{64}(?![A-Za-z0-9])")


def show(request, text, **context):
    return HttpResponse(engines["django"].from_string(text).render(context, request))


def page(text):
    return revalidate(60)(lambda request: show(request, text))


def out_by_get(request):
    logout(request)
    return HttpResponse("signed out")


def tell(request):
    messages.success(request, f"saved for {request.user}")
    return HttpResponse("told")


PAGES = [
    *(path(name, page(text)) for name, text in VIEWS.items()),
    path("member", revalidate(60)(login_required(lambda request: HttpResponse(str(request.user))))),
    path("out-by-get", revalidate(60)(out_by_get)),
    path("tell", tell),
]
LOGIN = {"django": "username", "allauth": "login"}


def urls(kind):
    """The pages, and what signs in and out: its modules need the models to be installed."""
    if kind == "allauth":
        return [*PAGES, path("accounts/", include("allauth.urls"))]
    from django.contrib.auth.views import LoginView, LogoutView

    class Login(LoginView):
        next_page = "/plain"

        def render_to_response(self, context, **more):
            return show(self.request, FORM, **context)

    return [
        *PAGES,
        path("accounts/login/", revalidate(60)(Login.as_view())),
        path("accounts/logout/", LogoutView.as_view(next_page="/plain")),
    ]


@pytest.fixture
def site(project, accounts):
    """``site(kind, engine)``: an ISG around a site with the users Ann and Bob, and its clock."""

    def make(kind, engine="db", **changes):
        apps = ["django.contrib.messages"]
        middleware = [*MIDDLEWARE, "django.contrib.auth.middleware.AuthenticationMiddleware"]
        if kind == "allauth":
            apps += ["allauth", "allauth.account"]
            middleware.append("allauth.account.middleware.AccountMiddleware")
        accounts(*apps, MIDDLEWARE=middleware, TEMPLATES=TEMPLATES)
        from django.contrib.auth import get_user_model

        for name in ("ann", "bob"):
            get_user_model().objects.create_user(name, password=f"{name}s secret")
        clock, later = Clock(), Manual()
        isg = project(
            urls(kind), SESSION_ENGINE=f"{BACKENDS}.{engine}",
            ACCOUNT_RATE_LIMITS=False, ACCOUNT_LOGIN_METHODS={"username"},
            ACCOUNT_EMAIL_VERIFICATION="none", ACCOUNT_SIGNUP_FIELDS=["username*", "password1*"],
            LOGIN_REDIRECT_URL="/plain", ACCOUNT_LOGOUT_REDIRECT_URL="/plain",
            ISGWARE={"store": "memory:", "enabled": True, "clock": clock, "executor": later},
            **changes,
        )  # fmt: skip
        return isg, clock, later

    yield make
    cache.clear()


class Visitor:
    """A browser, and what was set in it."""

    def __init__(self, app, kind):
        self.client = Client(app)
        self._login = LOGIN[kind]

    def get(self, where):
        return self.client.get(where)

    def post(self, where, **fields):
        token = TOKEN.search(self.get(where).text)
        fields["csrfmiddlewaretoken"] = token[0] if token else ""
        return self.client.post(where, data=fields)

    def login(self, name):
        return self.post("/accounts/login/", **{self._login: name, "password": f"{name}s secret"})

    def cookie(self, name):
        found = self.client.get_cookie(name)
        return found.value if found else None


def shown(answer):
    return answer.status_code, answer.headers.get("Location"), TOKEN.sub("a token", answer.text)


@pytest.mark.parametrize("kind", LOGIN)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(5) if LONG else [1])
def test_p11_members_interleaved_get_what_the_bare_site_gives_them(site, kind, engine, seed):
    isg, clock, later = site(kind, engine)
    bare, chosen, hits, owners = get_wsgi_application(), random.Random(seed), 0, {}
    pairs = [(Visitor(isg, kind), Visitor(bare, kind)) for _ in range(4)]
    for step in range(STEPS):
        number = chosen.randrange(len(pairs))
        pair = pairs[number]
        if chosen.random() < 0.2:
            name = chosen.choice(["ann", "bob", "out", "tell"])
            for visitor in pair:
                if name == "out":
                    visitor.post("/accounts/logout/")
                elif name == "tell":
                    visitor.get("/tell")
                else:
                    visitor.login(name)
        else:
            where = "/" + chosen.choice([*VIEWS, "member", "out-by-get", "accounts/login/"])
            got, expected = (visitor.get(where) for visitor in pair)
            assert (step, where, *shown(got)) == (step, where, *shown(expected))
            hits += got.headers.get("X-ISG-Cache") in ("HIT", "STALE")
        for name in ("sessionid", "csrftoken"):
            value = pair[0].cookie(name)
            if value and engine != "signed_cookies":  # equal sessions are equal cookies there
                assert owners.setdefault(value, number) == number
        if chosen.random() < 0.03:
            clock.tick(61)
            later.run()
    assert hits > STEPS / 5
