"""isgware in front of the site, step by step. No file of the site is changed for it.

Each step is a function that makes the app, so a server can be told to take it:
``gunicorn 'examples.existing_site.steps:decorated()'``.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Flask
from jinja2 import ChoiceLoader, DictLoader

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
#: Pieces of the layout that are holes in `with_holes`. In a site of your own the layout says
#: ``{{ hole("_basket.html") }}`` where it said ``{% include "_basket.html" %}``.
HOLES: Final = ("_basket.html", "_account.html")


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


def with_holes(config: Mapping[str, Any] | None = None, **options: Any) -> Flask:
    """Two holes: basket and account are each visitor's own pieces in pages that are everybody's.
    Members and shoppers get the stored pages, too."""
    app = decorated(config, **options)
    assert app.jinja_loader is not None
    layout, _, _ = app.jinja_loader.get_source(app.jinja_env, "base.html")
    for piece in HOLES:
        layout = layout.replace(f'{{% include "{piece}" %}}', f'{{{{ hole("{piece}") }}}}')
    app.jinja_loader = ChoiceLoader([DictLoader({"base.html": layout}), app.jinja_loader])
    return app
