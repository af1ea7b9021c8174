"""`why` first, then the request itself: over long random lives of a site the two agree."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from isgware import ISG, Policy, Why
from isgware.testing import FakeClock, ManualExecutor
from tests.promises.kit import Environ, Reply, Site, html, visit

HOST = "site.test"
#: What only the app's answer decides, where `why` says that the page is rendered for the visitor.
REFUSALS = {"set-cookie", "private", "cookie", "render-failed", "clean-room-failed"}
POLICY = Policy(
    revalidate=60, expire=300, tags=["t"], query=("x",), vary=("X-A", "cookie:currency"),
    bypass=("stop",),
)  # fmt: skip
ROUTES = {
    "/p": POLICY,
    "/p/<name>": POLICY,
    "/never": Policy(revalidate=0),
    "/loading": Policy(revalidate=60, fallback="loading"),
    "/listed": Policy(revalidate=60, fallback="not-found", paths=["/listed"]),
}
PATHS = [
    "/p", "/p/cookie", "/p/set-cookie", "/p/language", "/p/404", "/p/raises", "/p/private",
    "/p/redirect", "/p/fails", "/never", "/loading", "/listed", "/_isg/x", "/u/plain",
    "/u/cookie", "/u/set-cookie", "/u/language", "/u/private", "/u/fails", "/u/shared",
]  # fmt: skip


class Life:
    """A site, its ISG, and what befalls them, all told by one number."""

    def __init__(self, seed: int, **options: Any) -> None:
        self.random = random.Random(seed)
        self.broken = False
        self.clock, self.later = FakeClock(), ManualExecutor()
        self.site = Site(self.views())
        self.isg = ISG(
            self.site, store="memory:", clock=self.clock, executor=self.later, secret="s" * 16,
            trusted_hosts=["site.test", "b.test"], routes=ROUTES,
            backend_timeout=30.0, **options,
        )  # fmt: skip

    def views(self) -> dict[str, Callable[[Environ], Any]]:
        def raises(environ: Environ) -> Any:
            if self.broken:
                raise RuntimeError("broken")
            return html("well")

        kinds: dict[str, Callable[[Environ], Any]] = {
            "cookie": lambda environ: html("c", ("Vary", "Cookie")),
            "set-cookie": lambda environ: html("s", ("Set-Cookie", "a=b")),
            "language": lambda environ: html("l", ("Vary", "Accept-Language")),
            "404": lambda environ: html("none", status="404 Not Found"),
            "raises": raises,
            "private": lambda environ: html("p", ("Cache-Control", "private")),
            "redirect": lambda environ: ("302 Found", [("Location", "/p")], b""),
            "fails": lambda environ: html("f", status="500 X" if self.broken else "200 OK"),
            "shared": lambda environ: html("s", ("Cache-Control", "s-maxage=30")),
        }
        return {path: kinds[kind] for path in PATHS if (kind := path.split("/")[-1]) in kinds}

    def step(self) -> None:
        what = self.random.random()
        if what < 0.65:
            self.compare()
        elif what < 0.75:
            self.clock.advance(self.random.choice([1, 5, 40, 100, 400]))
        elif what < 0.85:
            self.later.run_all()
        elif what < 0.9:
            self.broken = not self.broken
        else:
            verb = self.random.choice(["revalidate", "purge"])
            if self.random.random() < 0.5:
                getattr(self.isg, f"{verb}_tag")("t")
            else:
                path = self.random.choice(["/p", "/p/*", "/*", "/p?x=1"])
                getattr(self.isg, f"{verb}_path")(path)

    def request(self) -> tuple[str, str, dict[str, Any], dict[str, str]]:
        """Path, query, what both are told, and the cookies."""
        one, maybe = self.random.choice, self.random.random
        headers = {
            name: one(values)
            for name, likely, values in (
                ("Accept-Language", 0.2, ["en", "fr"]),
                ("X-A", 0.15, ["1", "2"]),
                ("Authorization", 0.08, ["Bearer x"]),
                ("Cache-Control", 0.05, ["no-cache"]),
                ("Range", 0.05, ["bytes=0-1"]),
            )
            if maybe() < likely
        }
        cookies = {
            name: one(values)
            for name, likely, values in (
                ("session", 0.2, ["1"]),
                ("_ga", 0.1, ["1"]),
                ("currency", 0.1, ["eur", "usd"]),
                ("stop", 0.05, ["1"]),
            )
            if maybe() < likely
        }
        given = {
            "method": one(["GET"] * 8 + ["HEAD", "POST", "OPTIONS"]),
            "headers": headers,
            "host": one([HOST] * 9 + ["b.test", "evil.test"]),
        }
        query = one(["", "", "x=1", "x=1&utm_source=a", "y=2", "x=1&x=2"])
        return one(PATHS), query, given, cookies

    def compare(self) -> None:
        path, query, given, cookies = self.request()
        rendered, jobs = len(self.site.seen), self.later.pending
        stored = list(self.isg.pages())
        target = f"{path}?{query}" if query else path
        said = self.isg.why(target, scheme="http", cookies=cookies, **given)
        assert (len(self.site.seen), self.later.pending) == (rendered, jobs)
        left = list(self.isg.pages())  # a look may drop what has ended
        assert [info for info in stored if info in left] == left
        if cookies:
            pairs = "; ".join(f"{name}={value}" for name, value in cookies.items())
            given["headers"] = {**given["headers"], "Cookie": pairs}
        try:
            reply = visit(self.isg, path, query, **given)
        except RuntimeError:
            assert path == "/p/raises"
            return
        assert agree(said, reply), f"{given} {target}: {said}, but {reply.cache} {reply.detail}"


def agree(said: Why, reply: Reply) -> bool:
    if (said.outcome, said.detail) == (reply.cache, reply.detail):
        return True
    if said.outcome == "PASS":  # nothing is said of what passes, or it is looked at
        learning = said.detail == "not-declared" and reply.detail == "learning"
        return reply.cache == "" or learning
    if said.outcome in ("MISS", "REVALIDATED"):
        return reply.detail in (REFUSALS if reply.cache == "BYPASS" else {"stale-if-error"})
    return False


@pytest.mark.parametrize(
    "options", [{}, {"revalidate": 20}, {"base_url": "https://site.test"}, {"enabled": "report"}],
    ids=["routes", "all pages", "base_url", "report"],
)  # fmt: skip
@pytest.mark.parametrize("seed", range(10))
def test_why_says_what_then_happens(seed: int, options: dict[str, Any]) -> None:
    life = Life(seed, **options)
    for _ in range(80):
        life.step()
    life.isg.close(0)
