"""isgware in front of the site, step by step. No file of the site is changed for it.

Each step is a function that makes the app, so a server can be told to take it:
``gunicorn 'examples.existing_site.steps:decorated()'``.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Flask

from isgware import revalidate
from isgware.flask import ISG

from . import create_app

#: The views that are worth it, and for how many seconds. In a site of your own the decorator
#: stands above the view: ``@revalidate(300, tags=["post:{slug}"])``.
DECORATED: Final[dict[str, Callable[..., Any]]] = {
    "site.home": revalidate(300, query=()),
    "site.journal": revalidate(300, query=["page"]),
    "site.post": revalidate(300, tags=["post:{slug}"], query=()),
    "site.books": revalidate(300, query=()),
    "site.book": revalidate(300, tags=["book:{slug}"], query=()),
    "site.about": revalidate(3600, query=()),
}


def bare(config: Mapping[str, Any] | None = None) -> Flask:
    """The site as it is."""
    return create_app(config)


def one_line(config: Mapping[str, Any] | None = None, **options: Any) -> Flask:
    """One line. Every page that may be shared is learned, and kept for 60 seconds."""
    app = create_app(config)
    ISG(app, revalidate=60, **options)
    return app


def decorated(config: Mapping[str, Any] | None = None, **options: Any) -> Flask:
    """Decorators: pages are kept for as long as each deserves, and nothing else is tried."""
    app = create_app(config)
    for name, decorator in DECORATED.items():
        app.view_functions[name] = decorator(app.view_functions[name])
    ISG(app, **options)
    return app
