"""``ISG(app, revalidate=)``: an answer that sets a session with nothing of anybody in it is learned
from; one that logs somebody in is not."""

import pytest
from flask import Flask, session
from flask.sessions import SecureCookieSessionInterface
from werkzeug.test import Client

from isgware.flask import ISG
from isgware.testing import ManualExecutor


class Elsewhere(SecureCookieSessionInterface):
    """Any other interface: what its cookie holds is not known."""


def states(put: dict[str, object], interface: object = None) -> list[str | None]:
    app = Flask("learned")
    app.secret_key = "only for this test"
    if interface is not None:
        app.session_interface = interface
    rendered: list[bool] = []

    @app.get("/page")
    def page() -> str:
        rendered.append(True)
        session.permanent = True
        session.update(put)
        return "a page"

    later = ManualExecutor()
    ISG(app, store="memory:", enabled=True, revalidate=60, executor=later)
    states = []
    for _ in range(2):
        answer = Client(app.wsgi_app).get("/page")
        assert answer.text == "a page"
        states.append(answer.headers.get("X-ISG-Cache"))
        later.run_all()
    return [*states, str(len(rendered))]


@pytest.mark.parametrize(
    ("put", "interface", "expected"),
    [
        pytest.param({}, None, ["BYPASS", "HIT", "2"], id="permanent"),
        pytest.param({"_user_id": "7"}, None, [None, None, "2"], id="logged-in"),
        pytest.param({"visits": 1}, None, [None, None, "2"], id="counter"),
        pytest.param({}, Elsewhere(), [None, None, "2"], id="another-interface"),
    ],
)
def test_a_session_with_nothing_in_it_is_learned_from(
    put: dict[str, object], interface: object, expected: list[str | None]
) -> None:
    assert states(put, interface) == expected
