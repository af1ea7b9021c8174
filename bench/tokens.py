"""What a page with a CSRF token costs: CPU beside an empty view behind the same middleware.

The page has one form and is stored; the visitor has their cookie. Rounds alternate, and the
smallest of each is compared: what else the machine does only ever adds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from bench.kit.report import Column, Report, options

ROUNDS, TIMES = 15, 300
FILLER: Final = "<p>text that makes a page of it</p>\n" * 200
PAGE: Final = "<form method=post>{}</form>" + FILLER
Call = Callable[[str], None]


def django_site() -> Any:
    from django.conf import settings

    settings.configure(
        SECRET_KEY="not a secret", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
        MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        ISGWARE={"store": "memory:", "enabled": True},
    )  # fmt: skip
    import django

    django.setup()
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.template import engines
    from django.urls import path

    import isgware.django
    from isgware import revalidate

    template = engines["django"].from_string(PAGE.format("{% csrf_token %}"))
    form = revalidate(86_400)(lambda request: HttpResponse(template.render({}, request)))
    empty = lambda request: HttpResponse("")  # noqa: E731
    globals()["urlpatterns"] = [path("form", form), path("empty", empty)]
    return isgware.django.ISG(get_wsgi_application())


def flask_site() -> Any:
    import flask
    from flask_wtf import CSRFProtect

    import isgware.flask
    from isgware import revalidate

    app = flask.Flask("tokens")
    app.config["SECRET_KEY"] = "not a secret"
    CSRFProtect(app)
    form = PAGE.format('<input name=csrf_token value="{{ csrf_token() }}">')
    app.get("/form", endpoint="form")(
        revalidate(86_400)(lambda: flask.render_template_string(form))
    )
    app.get("/empty", endpoint="empty")(lambda: "")
    isgware.flask.ISG(app, store="memory:", enabled=True)
    return app


def caller(app: Any) -> Call:
    """Calls the app as one visitor, who keeps their cookies."""
    from werkzeug.test import create_environ

    cookies: list[str] = []

    def call(path: str) -> None:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            assert status.startswith("200"), status
            if not cookies:
                cookies.extend(v.partition(";")[0] for k, v in headers if k == "Set-Cookie")

        environ = dict(bases[path])
        if cookies:
            environ["HTTP_COOKIE"] = "; ".join(cookies)
        chunks = app(environ, start)
        b"".join(chunks)
        close = getattr(chunks, "close", None)
        if close is not None:
            close()

    bases = {path: create_environ(path) for path in ("/form", "/empty")}
    for _ in range(3):
        call("/form")
        call("/empty")
    return call


def microseconds(call: Call, path: str, times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        call(path)
    return (time.process_time() - began) / times * 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options("tokens", __doc__).parse_args(arguments)
    about = "CPU per call in process, a page with one form, and an empty view of the same app"
    report = Report("tokens", about, chosen.save, ("Django", "Flask", "Flask-WTF"))
    rows = []
    for name, make in (("Django", django_site), ("Flask-WTF", flask_site)):
        call = caller(make())
        rounds = [
            [microseconds(call, path, TIMES) for path in ("/form", "/empty")] for _ in range(ROUNDS)
        ]
        form, empty = (min(column) for column in zip(*rounds, strict=True))
        rows.append((name, form, empty, form / empty))
    report.table(
        ("", Column("form, µs", ".0f"), Column("empty view, µs", ".0f"), Column("ratio", ".2f")),
        rows,
    )
    report.close()


if __name__ == "__main__":
    main()
