"""A bookshop with a journal, in plain Flask: login, comments, a basket, flash messages, a CSP.

The site knows nothing of isgware: that comes in `steps`, step by step.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, session
from flask_login import LoginManager
from flask_wtf import CSRFProtect

from . import comments, members
from .forms import AddForm, LogoutForm
from .views import site

VAR = Path(__file__).parent / "var"


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the site. ``SHOP_DB`` is the SQLite file of the comments."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=os.environ.get("SHOP_SECRET_KEY") or secrets.token_hex(),
        SHOP_DB=os.environ.get("SHOP_DB", str(VAR / "comments.sqlite")),
        WTF_CSRF_TIME_LIMIT=12 * 3600,
    )
    app.config.from_mapping(config or {})
    comments.create(app.config["SHOP_DB"])
    CSRFProtect(app)
    login = LoginManager(app)
    login.login_view = "site.login"
    login.user_loader(members.find)
    app.before_request(begin)
    app.after_request(protect)
    app.context_processor(for_templates)
    app.register_blueprint(site)
    return app


def begin() -> None:
    session.permanent = True
    g.nonce = secrets.token_urlsafe(16)


def protect(response: Response) -> Response:
    nonce = g.get("nonce", "")
    response.content_security_policy.default_src = "'self'"
    response.content_security_policy.script_src = f"'self' 'nonce-{nonce}'"
    return response


def for_templates() -> dict[str, object]:
    return {
        "nonce": g.get("nonce", ""),
        "add_form": AddForm,
        "logout_form": LogoutForm,
    }
