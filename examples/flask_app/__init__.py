"""A catalogue of countries, languages, currencies and subdivisions, with visitors' notes."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, g
from flask_login import LoginManager
from flask_wtf import CSRFProtect

from isgware.flask import ISG

from . import accounts, notes
from .views import revalidate_route, site

VAR = Path(__file__).parent / "var"


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the site. ``config`` may hold Flask's, isgware's (``ISGWARE_*``) and these settings.

    ``CATALOGUE_DB`` is the SQLite file of the notes, ``CATALOGUE_SECRET`` the word that
    ``/api/revalidate`` asks for (empty: nobody may), ``CATALOGUE_SLOW`` the seconds that ``/now``
    and ``/compare/…`` pretend to need, ``CATALOGUE_PASSWORD`` what the editor logs in with.
    """
    app = Flask(__name__)
    app.config.from_mapping(
        CATALOGUE_DB=os.environ.get("CATALOGUE_DB", str(VAR / "notes.sqlite")),
        CATALOGUE_SECRET=os.environ.get("CATALOGUE_SECRET", ""),
        CATALOGUE_PASSWORD=os.environ.get("CATALOGUE_PASSWORD", "catalogue"),
        SECRET_KEY=os.environ.get("CATALOGUE_SECRET_KEY", "only-for-trying-this-on-your-machine"),
        CATALOGUE_SLOW=float(os.environ.get("CATALOGUE_SLOW", "0")),
    )
    app.config.from_mapping(config or {})
    notes.create(app.config["CATALOGUE_DB"])
    CSRFProtect(app).exempt(revalidate_route)  # which asks for a secret instead
    login = LoginManager(app)
    login.login_view = "site.login"
    login.user_loader(accounts.find)
    app.context_processor(lambda: {"nonce": nonce})
    app.after_request(protect)
    app.register_blueprint(site)
    ISG(app)
    return app


def nonce() -> str:
    """This answer's nonce, for pages with a script in them."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    made: str = g.nonce
    return made


def protect(response: Response) -> Response:
    own = f" 'nonce-{g.nonce}'" if "nonce" in g else ""
    response.headers["Content-Security-Policy"] = (
        f"default-src 'self'; img-src 'self' data:; script-src 'self'{own}"
    )
    return response
