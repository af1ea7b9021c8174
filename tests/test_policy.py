"""`isgware.policy`: what can be said about a route, what cannot be meant, and `@revalidate`."""

from __future__ import annotations

import asyncio
import datetime
import functools
import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

from isgware.errors import ConfigurationError
from isgware.policy import ONE_YEAR, Policy, combined, declared, policy_of
from isgware.render_context import Rendering, current
from isgware.revalidate_decorator import revalidate, wrapped_by_revalidate


def refuse(old: object, new: object) -> bool:
    return False


def tags_of(**arguments: Any) -> list[str]:
    return [f"post:{arguments['slug']}"]


# Fields (design 3).


def test_a_policy_that_says_nothing_has_the_documented_defaults() -> None:
    said = {field.name: getattr(Policy(), field.name) for field in fields(Policy)}
    assert said == {
        "revalidate": None, "expire": ONE_YEAR, "tags": (), "fallback": "blocking",
        "loading_page": None, "paths": None, "query": "all", "vary": (), "cookies": None,
        "bypass": None, "accept": None, "value_holes": (), "keep_vary": False,
        "shrink_limit": None,
    }  # fmt: skip


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Policy().revalidate = 60  # type: ignore[misc]


def test_a_policy_takes_keywords_only() -> None:
    with pytest.raises(TypeError):
        Policy(60)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        pytest.param({"revalidate": datetime.timedelta(minutes=1)}, "revalidate", 60.0, id="delta"),
        pytest.param({"revalidate": False}, "revalidate", False, id="until told"),
        pytest.param({"revalidate": 0}, "revalidate", 0, id="never"),
        pytest.param({"expire": datetime.timedelta(days=1)}, "expire", 86_400.0, id="expire delta"),
        pytest.param({"revalidate": 2 * ONE_YEAR}, "expire", 2 * ONE_YEAR,
                     id="a long life lengthens an expiry that nobody gave"),
        pytest.param({"fallback": True}, "fallback", "loading", id="Next's fallback: true"),
        pytest.param({"fallback": False, "paths": ["/"]}, "fallback", "not-found",
                     id="Next's fallback: false"),
        pytest.param({"tags": ["a", "b"]}, "tags", ("a", "b"), id="tags"),
        pytest.param({"query": ["a"]}, "query", ("a",), id="query"),
        pytest.param({"vary": ["X-B", "x-a", "X-b"]}, "vary", (("x-a", None), ("x-b", None)),
                     id="vary, in any case"),
        pytest.param({"vary": {"Accept-Language": ["en", "fr"]}}, "vary",
                     (("accept-language", ("en", "fr")),), id="vary with values"),
        pytest.param({"vary": ["Cookie:Currency"]}, "vary", (("cookie:Currency", None),),
                     id="cookies have case"),
        pytest.param({"cookies": ["session*"]}, "cookies", ("session*",), id="cookies"),
        pytest.param({"bypass": ["preview"]}, "bypass", ("preview",), id="bypass"),
        pytest.param({"bypass": bool}, "bypass", bool, id="bypass callable"),
    ],
)  # fmt: skip
def test_what_is_said_is_kept_in_one_form(given: dict[str, Any], name: str, expected: Any) -> None:
    found = getattr(Policy(**given), name)
    assert (found, found is False) == (expected, expected is False)


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        pytest.param({"revalidate": True}, "give seconds, or False", id="revalidate=True"),
        pytest.param({"revalidate": -1}, "0 or more", id="negative"),
        pytest.param({"revalidate": "60"}, "not a number", id="text"),
        pytest.param({"revalidate": math.nan}, "not a number", id="nan"),
        pytest.param({"revalidate": math.inf}, "not a number", id="infinite"),
        pytest.param({"expire": 0}, "use revalidate=0", id="expire=0"),
        pytest.param({"expire": None}, "not a number", id="expire=None"),
        pytest.param({"expire": True}, "not a number", id="expire=True"),
        pytest.param({"revalidate": 60, "expire": 30}, "at least as long", id="expire too short"),
        pytest.param({"tags": "posts"}, r"write tags=\['posts'\]", id="tags is one string"),
        pytest.param({"tags": 5}, "tags", id="tags is a number"),
        pytest.param({"tags": None}, "tags", id="tags is None"),
        pytest.param({"tags": [""]}, "1 to 256 printable", id="empty tag"),
        pytest.param({"tags": ["a\n"]}, "1 to 256 printable", id="tag with a line break"),
        pytest.param({"tags": ["x" * 257]}, "1 to 256 printable", id="long tag"),
        pytest.param({"tags": [1]}, "1 to 256 printable", id="tag is a number"),
        pytest.param({"tags": ["{"]}, "odd braces", id="open brace"),
        pytest.param({"tags": ["{}"]}, "odd braces", id="nameless placeholder"),
        pytest.param({"tags": ["{a.b}"]}, "odd braces", id="attribute of an argument"),
        pytest.param({"tags": ["{a[0]}"]}, "odd braces", id="item of an argument"),
        pytest.param({"fallback": "wait"}, "'blocking', 'loading' or 'not-found'", id="fallback"),
        pytest.param({"fallback": "not-found"}, "list the pages", id="not-found without paths"),
        pytest.param({"loading_page": "missing.html"}, "path of a file", id="no such file"),
        pytest.param({"paths": "/a"}, "an iterable of paths", id="paths is one string"),
        pytest.param({"paths": 5}, "an iterable of paths", id="paths is a number"),
        pytest.param({"query": "page"}, "write query=", id="query is one string"),
        pytest.param({"query": 5}, "query", id="query is a number"),
        pytest.param({"query": [""]}, "names of query parameters", id="nameless parameter"),
        pytest.param({"vary": "Accept"}, "write vary=", id="vary is one string"),
        pytest.param({"vary": 5}, "vary", id="vary is a number"),
        pytest.param({"vary": [5]}, "header names", id="vary holds a number"),
        pytest.param({"vary": ["X Y"]}, "not the name of a header", id="no header name"),
        pytest.param({"vary": ["cookie:"]}, "not the name of a header", id="nameless cookie"),
        pytest.param({"vary": ["Cookie"]}, "write 'cookie:NAME'", id="all cookies"),
        pytest.param({"vary": ["AUTHORIZATION"]}, "cannot be part of a key", id="credentials"),
        pytest.param({"vary": ["Accept-Encoding"]}, "cannot be part of a key", id="encodings"),
        pytest.param({"vary": ["Host"]}, "cannot be part of a key", id="host"),
        pytest.param({"vary": {"X": "a"}}, "list", id="values are one string"),
        pytest.param({"vary": {"X": 5}}, "list", id="values are a number"),
        pytest.param({"vary": {"X": [1]}}, "list", id="a value is a number"),
        pytest.param({"cookies": "session"}, "list of cookie names", id="cookies is one string"),
        pytest.param({"cookies": ["a b"]}, "not a cookie name", id="no cookie name"),
        pytest.param({"bypass": "preview"}, "list of cookie names", id="bypass is one string"),
        pytest.param({"bypass": [1]}, "not a cookie name", id="bypass holds a number"),
        pytest.param({"accept": True}, "callable", id="accept is no callable"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=remedy):
        Policy(**given)


def test_a_loading_page_may_be_html_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "loading.html"
    file.write_text("<p>soon")
    assert [Policy(loading_page=page).loading_page for page in ("<p>", str(file), file)] == [
        "<p>", str(file), file,
    ]  # fmt: skip


def test_keyed_headers_and_cookies_are_told_apart() -> None:
    policy = Policy(vary={"cookie:currency": ["EUR"], "Accept-Language": None, "cookie:ab": None})
    assert policy.headers == (("accept-language", None),)
    assert policy.cookies_in_key == (("ab", None), ("currency", ("EUR",)))
    assert policy.keyed_cookies == ("ab", "currency")


# Tags from a URL's arguments.


@pytest.mark.parametrize(
    ("tags", "filled"),
    [
        pytest.param(["posts"], ("posts",), id="constant"),
        pytest.param(["posts", "post:{slug}"], ("posts", "post:one"), id="placeholder"),
        pytest.param(["{slug}/{id}"], ("one/7",), id="two"),
        pytest.param(["{id:03d}"], ("007",), id="format"),
        pytest.param(["{{slug}}"], ("{slug}",), id="braces meant as such"),
        pytest.param(tags_of, ("post:one",), id="callable"),
    ],
)
def test_tags_are_filled(tags: Any, filled: tuple[str, ...]) -> None:
    assert Policy(tags=tags).fill_tags({"slug": "one", "id": 7}) == filled


@pytest.mark.parametrize(
    ("tags", "arguments"),
    [
        pytest.param(["{slug}"], {"id": 1}, id="no such argument"),
        pytest.param(["{slug}"], {"slug": ""}, id="empty"),
        pytest.param(["{slug}"], {"slug": "a\nb"}, id="not printable"),
        pytest.param(["{slug}"], {"slug": "x" * 300}, id="too long"),
        pytest.param(["{slug:zz}"], {"slug": 1}, id="no such format"),
        pytest.param(lambda **_: [1], {}, id="a callable returns no tag"),
    ],
)
def test_tags_that_cannot_be_filled_are_refused(tags: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Policy(tags=tags).fill_tags(arguments)


def test_a_placeholder_that_the_route_lacks_is_found_before_any_visit() -> None:
    with pytest.raises(ConfigurationError, match=r"'post:\{slug\}'.*has: id\)"):
        Policy(tags=["post:{slug}"]).check_arguments(["id"])


# Fingerprints: a page made under another policy counts as stale.


@pytest.mark.parametrize(
    "changed",
    [{"revalidate": 61}, {"revalidate": False}, {"expire": 100}, {"tags": ["a"]},
     {"tags": tags_of}, {"query": ()}, {"vary": ["X"]}, {"vary": {"X": ["1"]}}, {"cookies": ()},
     {"bypass": ["a"]}, {"bypass": bool}],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_the_fingerprint_tells_what_shapes_a_page(changed: dict[str, Any]) -> None:
    plain = {"revalidate": 60}
    assert Policy(**{**plain, **changed}).fingerprint != Policy(**plain).fingerprint


def test_equal_policies_have_equal_fingerprints() -> None:
    one, other = (Policy(revalidate=60, tags=["a"], vary=["X"]) for _ in range(2))
    assert one.fingerprint == other.fingerprint


# Precedence: decorator, then routes.


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param({"revalidate": 1}, {"revalidate": 2}, {"revalidate": 1}, id="first says it"),
        pytest.param({}, {"revalidate": 2}, {"revalidate": 2}, id="first is silent"),
        pytest.param({"revalidate": False}, {"revalidate": 2}, {"revalidate": False}, id="False"),
        pytest.param({"revalidate": 0}, {"revalidate": 2}, {"revalidate": 0}, id="zero"),
        pytest.param({"tags": ["a"]}, {"vary": ["X"]}, {"tags": ["a"], "vary": ["X"]}, id="each"),
        pytest.param({"vary": {"X": ["1"]}}, {"query": ()}, {"vary": {"X": ["1"]}, "query": ()},
                     id="values of vary"),
        pytest.param({"revalidate": 60}, {"expire": 30}, {"revalidate": 60, "expire": 60},
                     id="one is fresh for longer than the other lets it live"),
        pytest.param({"expire": 30}, {"revalidate": 60}, {"revalidate": 60, "expire": 60},
                     id="one lets it live shorter than the other has it fresh"),
        pytest.param({"accept": refuse}, {"fallback": "loading"},
                     {"accept": refuse, "fallback": "loading"},
                     id="fields that are not in the fingerprint"),
    ],
)  # fmt: skip
def test_policies_combine_field_by_field(first: Any, second: Any, expected: Any) -> None:
    assert combined(Policy(**first), Policy(**second)) == Policy(**expected)


@pytest.mark.parametrize(
    ("policies", "expected"),
    [((), None), ((None, None), None), ((None, Policy(expire=9)), Policy(expire=9))],
)
def test_absent_policies_say_nothing(policies: Any, expected: Policy | None) -> None:
    assert combined(*policies) == expected


# @revalidate.


def test_the_decorator_attaches_a_policy_and_changes_nothing_else() -> None:
    def view(number: int, *, factor: int = 2) -> int:
        """Doubles."""
        return number * factor

    decorated = revalidate(60, tags=["a"])(view)
    assert decorated(3, factor=4) == 12
    assert (decorated.__name__, decorated.__doc__) == ("view", "Doubles.")
    assert policy_of(decorated) == Policy(revalidate=60, tags=["a"])


def test_an_undecorated_view_has_no_policy() -> None:
    assert policy_of(lambda: None) is None


def test_the_decorator_may_say_nothing_about_seconds() -> None:
    assert policy_of(revalidate(tags=["a"])(lambda: "")) == Policy(tags=["a"])


def test_the_run_in_progress_learns_the_policy_and_the_arguments() -> None:
    rendering = Rendering(True)
    token = current.set(rendering)
    try:
        revalidate(60)(lambda slug: slug)(slug="one")
    finally:
        current.reset(token)
    assert (rendering.policy, rendering.arguments) == (Policy(revalidate=60), {"slug": "one"})


def test_of_nested_views_the_outermost_counts() -> None:
    inner = revalidate(1)(lambda: "inner")
    outer = revalidate(2)(lambda: inner())
    rendering = Rendering(True)
    token = current.set(rendering)
    try:
        assert outer() == "inner"
    finally:
        current.reset(token)
    assert rendering.policy == Policy(revalidate=2)


def test_an_async_view_stays_one() -> None:
    @revalidate(60)
    async def view(number: int) -> int:
        return number + 1

    assert asyncio.run(view(1)) == 2
    assert policy_of(view) == Policy(revalidate=60)


@pytest.mark.parametrize("method", ["dispatch", "dispatch_request"])
def test_a_class_stays_the_class_it_is(method: str) -> None:
    class Base:
        pass

    setattr(Base, method, lambda self, number: number + 1)

    class View(Base):
        pass

    assert revalidate(60)(View) is View
    assert getattr(View(), method)(1) == 2
    assert policy_of(View) == Policy(revalidate=60)
    assert policy_of(Base) is None


def test_a_view_function_has_the_policy_of_the_class_behind_it() -> None:
    @revalidate(60)
    class View:
        pass

    def view() -> None:
        """What `as_view` makes."""

    view.view_class = View  # type: ignore[attr-defined]
    assert policy_of(view) == Policy(revalidate=60)


@pytest.mark.parametrize(
    ("use", "remedy"),
    [
        pytest.param(lambda: revalidate(lambda: ""), "with parentheses", id="bare"),
        pytest.param(lambda: revalidate(True), "give seconds, or False", id="True"),
        pytest.param(lambda: revalidate(60, tag=["a"]), "Its fields are", id="unknown field"),
        pytest.param(lambda: revalidate(60)(7), "view function or class", id="not a view"),
    ],
)  # fmt: skip
def test_misuse_of_the_decorator_names_the_remedy(use: Callable[[], Any], remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=remedy):
        use()


def test_the_bare_function_under_a_decorator_is_recognised() -> None:
    def view() -> None:
        """A view that a framework saw without its decorator."""

    decorated = revalidate(60)(view)
    assert wrapped_by_revalidate(view)
    assert not wrapped_by_revalidate(decorated)
    assert not wrapped_by_revalidate([])
    assert not wrapped_by_revalidate(functools.partial(view))


# What what was learned of a URL in the store names is found again in this process.


def test_a_declared_policy_is_found_by_its_fingerprint() -> None:
    policy = policy_of(revalidate(61.5, tags=["found"])(lambda: ""))
    assert policy is not None
    assert declared[policy.fingerprint] == policy


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"accept": refuse}, {}, id="accept, then none"),
        pytest.param({}, {"accept": refuse}, id="none, then accept"),
        pytest.param({"fallback": "loading"}, {}, id="fallback"),
        pytest.param({"loading_page": "<p>"}, {}, id="loading page"),
        pytest.param({"paths": ["/a"]}, {"paths": ["/b"]}, id="paths"),
        pytest.param({"tags": lambda: ["a"]}, {"tags": lambda: ["b"]}, id="two lambdas"),
    ],
)
def test_policies_that_differ_are_never_taken_for_each_other(one: Any, other: Any) -> None:
    views = [revalidate(62.5, **said)(lambda: "") for said in (one, other)]
    policies = [policy_of(view) for view in views]
    assert all(policies)
    found = [declared[policy.fingerprint] for policy in policies if policy]
    assert [bool(policy == known) for policy, known in zip(policies, found, strict=True)] == [
        True, True,
    ]  # fmt: skip
