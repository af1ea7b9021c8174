"""One page of 30 kB in front of which `bench.versus` puts one cache after the other.

Each function makes a WSGI app; granian is told ``bench.sites:NAME`` with ``--factory``. The page
lists what a shop sells, rendered by Jinja2: real words and figures, so that gzip has work to do.
"""

from __future__ import annotations

import gzip
import os
import random
from typing import Any

LIFETIME = 3600
_WORDS = [
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "jetty",
    "kelp", "larch", "moss", "north",
]  # fmt: skip
_TEMPLATE = """<!doctype html><title>{{ title }}</title><h1>{{ title }}</h1><table>
{% for row in rows %}<tr id="item-{{ row.number }}"><td><a href="/items/{{ row.name }}">\
{{ row.name|title }}</a><td>{{ row.words|join(" ") }}<td>{{ "%.2f"|format(row.price) }}</tr>
{% endfor %}</table>"""


def rows() -> list[dict[str, Any]]:
    chance = random.Random(1)
    return [
        {
            "number": number,
            "name": f"{chance.choice(_WORDS)}-{chance.randrange(10_000)}",
            "words": chance.choices(_WORDS, k=6),
            "price": chance.uniform(1, 500),
        }
        for number in range(256)
    ]


def rendered() -> str:
    import jinja2

    return str(jinja2.Template(_TEMPLATE).render(title="Everything", rows=rows()))


def constant() -> Any:
    """Constant bytes, compressed once: the limit."""
    body = rendered().encode()
    packed = gzip.compress(body, 6)
    said = [("Content-Type", "text/html; charset=utf-8"), ("Vary", "Accept-Encoding")]
    plain = [*said, ("Content-Length", str(len(body)))]
    zipped = [*said, ("Content-Encoding", "gzip"), ("Content-Length", str(len(packed)))]

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            start_response("200 OK", zipped.copy())
            return [packed]
        start_response("200 OK", plain.copy())
        return [body]

    return application


def flask_site() -> Any:
    """Flask, rendering the page for each visitor."""
    import flask

    app = flask.Flask(__name__)
    template = app.jinja_env.from_string(_TEMPLATE)
    data = rows()

    @app.get("/page")
    def page() -> str:
        return template.render(title="Everything", rows=data)

    return app


def flask_caching() -> Any:
    """The same with Flask-Caching, in memory."""
    from flask_caching import Cache

    app = flask_site()
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": LIFETIME})
    app.view_functions["page"] = cache.cached()(app.view_functions["page"])
    return app


def isgware_memory() -> Any:
    """The same with isgware, pages in this process alone."""
    return _isgware("memory:")


def isgware_file() -> Any:
    """The same with isgware and its embedded store."""
    return _isgware(f"file:{os.environ['BENCH_DIRECTORY']}/store")


def _isgware(store: str) -> Any:
    from isgware import Policy
    from isgware.flask import ISG

    app = flask_site()
    ISG(app, store=store, routes={"/page": Policy(revalidate=LIFETIME)})
    return app.wsgi_app


def django_cache() -> Any:
    """Django's cache middleware, in memory, with its GZipMiddleware."""
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    data = rows()

    def page(request: HttpRequest) -> HttpResponse:
        import jinja2

        return HttpResponse(jinja2.Template(_TEMPLATE).render(title="Everything", rows=data))

    settings.configure(
        ROOT_URLCONF=(path("page", page),),
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="bench",
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        CACHE_MIDDLEWARE_SECONDS=LIFETIME,
        MIDDLEWARE=[
            "django.middleware.cache.UpdateCacheMiddleware",
            "django.middleware.gzip.GZipMiddleware",
            "django.middleware.common.CommonMiddleware",  # says Content-Length
            "django.middleware.cache.FetchFromCacheMiddleware",
        ],
    )
    django.setup()
    return get_wsgi_application()
