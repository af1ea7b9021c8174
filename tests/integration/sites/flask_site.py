"""The same pages as a Flask application, its views decorated."""

from __future__ import annotations

import sitecore
from flask import Flask, Response, request

from isgware import revalidate
from isgware.flask import ISG

app = Flask(__name__)
app.config["ISGWARE_STORE"] = sitecore.store_url()


def respond() -> Response:
    if request.method == "POST":
        return Response(b"posted", sitecore.knob(request.path).get("post_status", 200))
    status, headers, body = sitecore.render(request.environ)
    return Response(body, status, headers, content_type="text/plain")


@app.route("/page/<name>", methods=["GET", "POST"])
@revalidate(3600, tags=["pages", "page:{name}"])
def long(name: str) -> Response:
    return respond()


@app.route("/brief/<name>")
@revalidate(1, tags=["brief:{name}"])
def brief(name: str) -> Response:
    return respond()


@app.route("/kept/<name>")
@revalidate(False, tags=["kept:{name}"])
def kept(name: str) -> Response:
    return respond()


@app.route("/open/<name>")
def undeclared(name: str) -> Response:
    return respond()


isg = ISG(app)
app.wsgi_app = sitecore.Outside(app.wsgi_app, isg)  # type: ignore[method-assign]
