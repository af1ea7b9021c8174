"""A job of a Django project names the page that it was made of, whatever settings make of it."""

import pytest
from django.http import HttpResponse
from django.urls import path

from isgware import revalidate
from isgware.core.cache_key import Visitor
from isgware.regeneration.shared_jobs import encode_job, target_of
from tests.django.test_site import LANGUAGES

PROXIED = {
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
    "USE_X_FORWARDED_HOST": True,
}
FORWARDED = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "site.example"}


@revalidate(60, vary=["Accept-Language"])
def view(request):
    return HttpResponse(request.build_absolute_uri())


@pytest.mark.parametrize(
    ("settings", "headers", "variant"),
    [
        (PROXIED, FORWARDED, ""),
        (LANGUAGES, {"HTTP_ACCEPT_LANGUAGE": "fr,de;q=0.5"}, "accept-language=fr"),
        (LANGUAGES, {"HTTP_COOKIE": "django_language=de"}, "accept-language=de"),
    ],
    ids=["proxy", "language", "cookie"],
)
def test_a_job_is_planned_as_its_page_was(project, settings, headers, variant):
    isg = project([path("x", view)], **settings)
    engine = isg.core.runtime.engine
    visitor = Visitor("GET", "http", "testserver", "", "/x", "", headers)
    target = engine.planner.plan(visitor).target
    assert target.request.variant == variant
    assert (
        target_of(
            engine.planner,
            engine.page_store,
            engine.outcomes,
            encode_job(target.key, target.request),
        )
        == target
    )
