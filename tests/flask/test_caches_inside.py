"""With ``dependencies=True`` ``why`` names what a page has read of Flask-Caching."""

import pytest
from flask import Flask
from werkzeug.test import Client

from isgware import revalidate
from isgware.flask import ISG

flask_caching = pytest.importorskip("flask_caching")


def test_a_read_of_flask_caching_is_named():
    app = Flask(__name__)
    cache = flask_caching.Cache(app, config={"CACHE_TYPE": "SimpleCache"})
    isg = ISG(app, store="memory:", dependencies=True, enabled=True)

    @app.get("/<name>")
    @revalidate(False)
    def view(name):
        return cache.get("number") or "none" if name == "reads" else str(cache.set("a", 1))

    client = Client(app)
    assert client.get("/reads").text == "none"
    client.get("/writes")
    (said,) = isg.why("/reads").unseen
    assert "it read the cache 'Flask-Caching' (" in said
    assert "test_caches_inside.py:" in said
    assert isg.why("/writes").unseen == ()
    isg.close(0)
