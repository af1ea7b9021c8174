"""Sites of which no page can be stored, and the process that `bench.refused` starts for each.

Each page writes the session, so each answer sets a cookie. Half of the visitors bring a session of
theirs, and half have no cookie. Few pages have many visits, and many have few.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from bench.kit.apps import App, environ, ignored

ROUTES, PAGES, VISITS = 8, 2_000, 100
#: Django's templates and Jinja's have the same syntax for what this page needs.
_PAGE: Final = """<html><title>{{ title }}</title>{% for row in rows %}
<div><h2>{{ row.name|title }}</h2><p>{{ row.text }}</p>
<a href="/{{ row.id }}">{{ row.id }}</a></div>
{% endfor %}<input type=hidden value="{{ token }}"></html>"""
_ROWS: Final = [{"id": n, "name": f"name {n}", "text": "lorem ipsum " * 12} for n in range(60)]
Environ = dict[str, Any]


def flask_site(declared: bool, wrapped: bool, store: str) -> App:
    from flask import Flask, render_template, session
    from jinja2 import DictLoader

    from isgware import revalidate

    app = Flask("refused")
    app.secret_key = "bench"
    app.jinja_loader = DictLoader({"page.html": _PAGE})

    def view(number: int) -> str:
        token = session["token"] = f"{random.random()}"
        return render_template("page.html", title=f"page {number}", rows=_ROWS, token=token)

    for route in range(ROUTES):
        each: Callable[..., str] = lambda number: view(number)  # noqa: E731
        app.add_url_rule(
            f"/route{route}/<int:number>", f"route{route}",
            revalidate(60)(each) if declared else each,
        )  # fmt: skip
    if wrapped:
        from isgware.flask import ISG

        ISG(app, store=store, enabled=True)
    return app.wsgi_app


def django_site(declared: bool, wrapped: bool, store: str) -> App:
    from django.conf import settings

    settings.configure(
        SECRET_KEY="bench", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
        ],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    )  # fmt: skip
    import django

    django.setup()
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, HttpResponse
    from django.template import engines
    from django.urls import path

    from isgware import revalidate

    template = engines["django"].from_string(_PAGE)

    def view(request: HttpRequest, number: int) -> HttpResponse:
        token = request.session["token"] = f"{random.random()}"
        context = {"title": f"page {number}", "rows": _ROWS, "token": token}
        return HttpResponse(template.render(context, request))

    urls = []
    for route in range(ROUTES):
        each: Callable[..., Any] = lambda request, number: view(request, number)  # noqa: E731
        view_of = revalidate(60)(each) if declared else each
        urls.append(path(f"route{route}/<int:number>", view_of, name=f"route{route}"))
    globals()["urlpatterns"] = urls
    app: App = get_wsgi_application()
    if not wrapped:
        return app
    from isgware.django import ISG

    return ISG(app, store=store, enabled=True)


SITES: Final[dict[str, Callable[[bool, str], App]]] = {
    "Flask, declared": lambda wrapped, store: flask_site(True, wrapped, store),
    "Flask, not declared": lambda wrapped, store: flask_site(False, wrapped, store),
    "Django, declared": lambda wrapped, store: django_site(True, wrapped, store),
    "Django, not declared": lambda wrapped, store: django_site(False, wrapped, store),
}


def visits(cookie: str, rounds: int) -> Iterator[list[Environ]]:
    """The requests of each round, the same for bare and wrapped."""
    chance = random.Random(1)
    for _ in range(rounds):
        requests = []
        for _ in range(VISITS):
            page = int(chance.paretovariate(0.6)) % PAGES
            requests.append(environ(f"/route{chance.randrange(ROUTES)}/{page}"))
            if chance.random() < 0.5:
                requests[-1]["HTTP_COOKIE"] = cookie
        yield requests


def call(app: App, request: Environ, start_response: Any = ignored) -> None:
    chunks = app(request, start_response)
    for _chunk in chunks:
        pass
    getattr(chunks, "close", lambda: None)()


def cookie_of(app: App) -> str:
    """The session of a first visitor. What is imported and compiled for a first visit is not what
    wrapping costs."""
    told: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        assert status.startswith("200"), status
        told.extend(value.partition(";")[0] for name, value in headers if name == "Set-Cookie")

    call(app, environ("/route0/0"), start_response)
    return told[0]


def main(name: str, wrapped: str, store: str, rounds: str) -> None:
    """For each line that comes in: the visits of a round, and the CPU seconds since the round
    before, so that renders in the background count."""
    app = SITES[name](wrapped == "wrapped", store)
    told = list(visits(cookie_of(app), int(rounds)))
    print("ready", flush=True)
    before = time.process_time()
    for requests in told:
        sys.stdin.readline()
        for request in requests:
            call(app, request)
        now = time.process_time()
        print(now - before, flush=True)
        before = now


if __name__ == "__main__":
    main(*sys.argv[1:])
