"""Errors of holes say where they stand: template and line, or file and line."""

from __future__ import annotations

import os
import re
import sys
import sysconfig

import pytest
from flask import Flask
from jinja2 import DictLoader

import isgware.flask
from isgware import ISG, ConfigurationError, hole, holes, page
from isgware.rendering.callers import where
from isgware.template_location import defined, location


@pytest.fixture(autouse=True)
def registry():
    before = dict(holes.registered)
    yield
    holes.registered.clear()
    holes.registered.update(before)


def flask_app(template):
    app = Flask("shop")
    app.jinja_loader = DictLoader({"base.html": template, "page.html": "{% extends 'base.html' %}"})
    isgware.flask.ISG(app, store="memory:", enabled=True)
    return app


def test_in_jinja():
    app = flask_app("<p>\n\n{{ hole('nothing') }}")
    with app.test_request_context(), pytest.raises(ConfigurationError) as error:
        app.jinja_env.get_template("page.html").render()
    assert str(error.value).endswith("(base.html, line 3)")


def test_in_python():
    with pytest.raises(ConfigurationError, match=r"\(test_template_location.py, line [0-9]+\)"):
        page.hole("nothing")
    assert re.fullmatch("test_template_location.py, line [0-9]+", location())


def test_where_a_name_was_taken():
    @hole("first")
    def first(environ):
        return ""

    with pytest.raises(ConfigurationError, match=r"first \(.*test_template_location.py, line"):
        hole("first")(len)
    assert defined(len) == "len"


def test_isg_registers_holes_too():
    isg = ISG(lambda environ, start_response: [], store="memory:")

    @isg.hole("mine")
    def mine(environ):
        return "mine"

    assert page.hole("mine", request={}) == "mine"


def test_what_reads_in_a_template_without_a_file_is_named_by_template_and_line():
    app = flask_app("<p>\n{{ said() }}")
    app.jinja_env.globals["said"] = lambda: where(sys._getframe(1))
    with app.test_request_context():
        assert "base.html:2" in app.jinja_env.get_template("page.html").render()


def test_a_hole_without_a_name():
    app = flask_app("<p>{{ hole() }}")
    with app.test_request_context(), pytest.raises(ConfigurationError, match="needs the name"):
        app.jinja_env.get_template("page.html").render()
    with pytest.raises(ConfigurationError, match=r"as in @hole\('basket'\)"):
        hole()


def test_a_variant_without_parentheses():
    isg = ISG(lambda environ, start_response: [], store="memory:", enabled=True)
    with pytest.raises(ConfigurationError, match=r"@isg.variant\('role'\)"):
        isg.variant(lambda environ: "guest")
    isg.close(0)


def test_what_starts_a_server_is_no_code_of_the_app():
    """gunicorn's script is the last of the stack where a template of a library reads."""
    there = os.path.join(sysconfig.get_path("scripts"), "gunicorn")
    said = {"__name__": "some.package", "where": where, "sys": sys}
    exec(compile("found = where(sys._getframe())", there, "exec"), said)
    assert said["found"] != f"{there}:1"
