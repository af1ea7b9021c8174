"""The catalogue for the tests, each with a store and a database of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import Client

from examples.flask_app import create_app

SECRET = "only-the-test-knows"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = create_app(
        {
            "CATALOGUE_DB": str(tmp_path / "notes.sqlite"),
            "CATALOGUE_SECRET": SECRET,
            "ISGWARE_STORE": f"file:{tmp_path / 'pages'}",
        }
    )
    yield app
    app.extensions["isgware"].close()


@pytest.fixture
def client(app: Flask) -> Client:
    """Straight into the WSGI app. Without ``TESTING``, which would switch isgware off."""
    return Client(app)
