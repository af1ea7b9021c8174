"""A catalogue of countries, languages, currencies and subdivisions, with visitors' notes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from isgware.flask import ISG

from . import notes
from .views import site

VAR = Path(__file__).parent / "var"


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the site. ``config`` may hold Flask's, isgware's (``ISGWARE_*``) and these settings.

    ``CATALOGUE_DB`` is the SQLite file of the notes, ``CATALOGUE_SECRET`` the word that
    ``/api/revalidate`` asks for (empty: nobody may), ``CATALOGUE_SLOW`` the seconds that ``/now``
    and ``/compare/…`` pretend to need.
    """
    app = Flask(__name__)
    app.config.from_mapping(
        CATALOGUE_DB=os.environ.get("CATALOGUE_DB", str(VAR / "notes.sqlite")),
        CATALOGUE_SECRET=os.environ.get("CATALOGUE_SECRET", ""),
        CATALOGUE_SLOW=float(os.environ.get("CATALOGUE_SLOW", "0")),
    )
    app.config.from_mapping(config or {})
    notes.create(app.config["CATALOGUE_DB"])
    app.register_blueprint(site)
    ISG(app)
    return app
