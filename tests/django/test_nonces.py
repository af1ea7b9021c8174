"""Pages with django-csp's nonces, as it comes."""

import re

import pytest
from django.http import HttpResponse
from django.urls import path
from werkzeug.test import Client

from isgware import revalidate

csp = pytest.importorskip("csp.constants")
POLICY = "CONTENT_SECURITY_POLICY"


@revalidate(60)
def page(request):
    return HttpResponse(f"<script nonce='{request.csp_nonce}'></script>")


@pytest.mark.parametrize(
    "setting", ["CONTENT_SECURITY_POLICY", "CONTENT_SECURITY_POLICY_REPORT_ONLY"]
)
def test_every_answer_has_a_nonce_of_its_own(project, setting):
    isg = project(
        [path("page", page)],
        MIDDLEWARE=["csp.middleware.CSPMiddleware"],
        **{setting: {"DIRECTIVES": {"script-src": [csp.SELF, csp.NONCE]}}},
    )
    replies = [Client(isg, use_cookies=False).get("/page") for _ in range(3)]
    assert [reply.headers["X-ISG-Cache"] for reply in replies] == ["MISS", "HIT", "HIT"]
    found = set()
    for reply in replies:
        name = "Content-Security-Policy" + ("-Report-Only" if "REPORT" in setting else "")
        [nonce] = re.findall(r"'nonce-([^']+)'", reply.headers[name])
        assert reply.text == f"<script nonce='{nonce}'></script>"
        assert len(nonce) == 24
        found.add(nonce)
    assert len(found) == 3
