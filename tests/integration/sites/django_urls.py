"""The same pages as Django views: two functions and a class."""

from __future__ import annotations

import sitecore
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View

from isgware import revalidate


def respond(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return HttpResponse(b"posted", status=sitecore.knob(request.path).get("post_status", 200))
    status, headers, body = sitecore.render(request.META)
    return HttpResponse(
        body, status=status, headers={"Content-Type": "text/plain", **dict(headers)}
    )


@revalidate(3600, tags=["pages", "page:{name}"])
def long(request: HttpRequest, name: str) -> HttpResponse:
    return respond(request)


@revalidate(1, tags=["brief:{name}"])
def brief(request: HttpRequest, name: str) -> HttpResponse:
    return respond(request)


@method_decorator(revalidate(False, tags=["kept:{name}"]), name="dispatch")
class Kept(View):
    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        return respond(request)


def undeclared(request: HttpRequest, name: str) -> HttpResponse:
    return respond(request)


urlpatterns = [
    path("page/<name>", long),
    path("brief/<name>", brief),
    path("kept/<name>", Kept.as_view()),
    path("open/<name>", undeclared),
]
