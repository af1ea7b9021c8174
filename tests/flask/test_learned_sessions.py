"""``ISG(app, revalidate=)``: an answer that sets a session with nothing of anybody in it is learned
from, wherever the session lies; one that logs somebody in is not."""

import pytest
from flask import Flask, render_template_string, session
from flask.sessions import SecureCookieSessionInterface
from flask_wtf import CSRFProtect
from werkzeug.test import Client

from isgware.flask import ISG
from isgware.testing import ManualExecutor

from .backends import SetUp, backend, redis  # noqa: F401  (fixtures)


def states(put: dict[str, object], set_up: SetUp) -> list[str | None]:
    app = Flask("learned")
    app.secret_key = "only for this test"
    set_up(app)
    CSRFProtect(app)
    rendered: list[bool] = []

    @app.get("/page")
    def page() -> str:
        rendered.append(True)
        session.permanent = True
        session.update(put)
        return render_template_string("a page<!-- {{ csrf_token() }} -->")

    later = ManualExecutor()
    ISG(app, store="memory:", enabled=True, revalidate=60, executor=later)
    states = []
    for _ in range(2):
        answer = Client(app.wsgi_app).get("/page")
        assert answer.text.startswith("a page")
        states.append(answer.headers.get("X-ISG-Cache"))
        later.run_all()
    return [*states, str(len(rendered))]


@pytest.mark.parametrize(
    ("put", "expected"),
    [
        pytest.param({}, ["BYPASS", "HIT", "2"], id="permanent"),
        pytest.param({"_user_id": "7"}, [None, None, "2"], id="logged-in"),
        pytest.param({"visits": 1}, [None, None, "2"], id="counter"),
    ],
)
def test_a_session_with_nothing_in_it_is_learned_from(
    put: dict[str, object],
    backend: SetUp,  # noqa: F811
    expected: list[str | None],
) -> None:
    assert states(put, backend) == expected


class Locked(SecureCookieSessionInterface):
    """Sessions of its own making, which nobody can open."""

    def open_session(self, app: Flask, request: object) -> object:  # type: ignore[override]
        if "session" in request.cookies:  # type: ignore[attr-defined]
            raise ConnectionError("no route to host")
        return super().open_session(app, request)  # type: ignore[arg-type]


def test_a_session_that_cannot_be_opened_is_not_learned_from() -> None:
    def locked(app: Flask) -> None:
        app.session_interface = Locked()  # type: ignore[assignment]

    assert states({}, locked) == [None, None, "2"]
