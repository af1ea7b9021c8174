"""The handshake of a WebSocket is the app's, also where a page is stored under its URL."""

import pytest
from werkzeug.test import Client

from isgware import ISG, Policy


@pytest.fixture
def isg():
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/html")])
        return [environ.get("HTTP_UPGRADE", "page").encode()]

    isg = ISG(app, store="memory:", enabled=True, routes={"/chat": Policy(revalidate=60)})
    yield isg
    isg.close()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("visits", [0, 1, 3], ids=["not stored", "stored", "prepared"])
def test_a_handshake_passes(isg, method, visits):
    client = Client(isg)
    for _ in range(visits):
        client.open("/chat", method=method)
    asked = {"Connection": "Upgrade", "Upgrade": "WebSocket"}
    answer = client.open("/chat", method=method, headers=asked)
    assert "X-ISG-Cache" not in answer.headers
    assert answer.text == "WebSocket"  # of this app to HEAD, too
    client.get("/chat")
    assert client.get("/chat").text == "page"


def test_other_upgrades_are_ignored(isg):
    client = Client(isg)
    for _ in range(3):
        client.get("/chat")
    answer = client.get("/chat", headers={"Connection": "Upgrade", "Upgrade": "h2c"})
    assert (answer.text, answer.headers["X-ISG-Cache"]) == ("page", "HIT")
