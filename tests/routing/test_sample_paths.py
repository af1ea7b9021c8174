"""Which patterns of ``routes=`` catch the URLs of a route."""

from __future__ import annotations

import pytest

from isgware import Policy
from isgware.routing.framework import Catch, Routes
from isgware.routing.sample_paths import sample_paths


@pytest.mark.parametrize(
    ("rule", "paths"),
    [
        ("/login", ["/login"]),
        ("/posts/<int:id>/", ["/posts/1/"]),
        ("/<any(en, de):lang>/about", ["/en/about"]),
        ("/<string(length=2):lang>", ["/a-b", "/1", "/123e4567-e89b-42d3-a456-426614174000"]),
        ("/files/<path:name>", ["/files/a-b", "/files/1", "/files/a/b"]),
    ],
)
def test_paths_are_made_by_converter(rule: str, paths: list[str]) -> None:
    assert sample_paths(rule) == paths


ROUTES = {
    "/<path:page>": Policy(revalidate=60),
    "/posts/<int:id>": Policy(revalidate=5),
    "/api/<name>": Policy(revalidate=0),
}


@pytest.mark.parametrize(
    ("rule", "catch"),
    [
        ("/login", Catch(("/<path:page>",), True)),
        ("/", Catch()),
        ("/posts/<int:number>", Catch(("/posts/<int:id>",), True)),
        ("/posts/<slug>", Catch(("/<path:page>", "/posts/<int:id>"), True)),
        ("/api/<other>", Catch(("/api/<name>",), True)),
        (r"/^archive/(?P<year>[0-9]{4})/$", Catch(("/<path:page>",), True)),
    ],
)
def test_the_narrowest_pattern_catches(rule: str, catch: Catch) -> None:
    assert Routes(ROUTES).catching(rule) == catch


def test_a_route_that_is_caught_in_part_says_so() -> None:
    assert Routes({"/posts/<int:id>": Policy(revalidate=5)}).catching("/posts/<slug>") == Catch(
        ("/posts/<int:id>",), False
    )
