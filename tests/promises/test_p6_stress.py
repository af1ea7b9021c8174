"""P6 and P3 under load: visitors, purges and regenerations at random, on threads that change as
often as they can. Whoever comes after a purge returned never sees what it purged."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from isgware import Policy, RegenerationError, page
from tests.promises.kit import html, visit

SECONDS = 1.5
PURGES = [
    lambda isg: isg.purge_path("/p"),
    lambda isg: isg.purge_path("/*"),
    lambda isg: isg.purge_tag("late"),
    lambda isg: isg.purge_all(),
    lambda isg: visit(isg, "/p", method="POST"),
]
DISTURBANCES = [
    lambda isg: isg.revalidate_tag("late"),
    lambda isg: isg.regenerate("/p"),
    lambda isg: isg.purge_tag("unrelated"),
]


@pytest.fixture(autouse=True)
def restless_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(2e-5)
    yield
    sys.setswitchinterval(before)


SEEN = {"HIT", "REVALIDATED"}


class World:
    """``version`` is what a render shows; ``floor`` what every visitor must see at least."""

    def __init__(self) -> None:
        self.version = self.floor = 0
        self.wrong: list[str] = []
        self.labels: set[str] = set()
        self.end = time.monotonic() + SECONDS

    def goes_on(self) -> bool:
        """For its time, and then until enough was seen: a machine that stalls sees little."""
        over = time.monotonic() - self.end
        return over < 0 or (over < 30 and not self.labels >= SEEN)

    def view(self, environ):
        began = self.version
        page.tag("late")
        if random.random() < 0.3:
            time.sleep(random.random() * 0.003)
        return html(f"{began} " + "x" * 300)

    def visit(self, isg) -> None:
        while self.goes_on():
            least = self.floor
            reply = visit(isg, "/p", headers={"Accept-Encoding": random.choice(["gzip", ""])})
            shown = reply.body if reply.get("Content-Encoding") == "" else b""
            self.labels.add(reply.cache)
            if shown and not (int(shown.split()[0]) >= least and shown.endswith(b"x" * 300)):
                self.wrong.append(f"{shown[:9]!r} {reply.cache} after {least}")

    def write(self, isgs) -> None:
        while self.goes_on():
            self.version += 1
            mine, isg = self.version, random.choice(isgs)
            random.choice(PURGES)(isg)
            self.floor = mine
            time.sleep(random.random() * 0.01)

    def disturb(self, isgs) -> None:
        while self.goes_on():
            isg = random.choice(isgs)
            try:
                random.choice(DISTURBANCES)(isg)
            except RegenerationError:
                pass  # purged meanwhile
            time.sleep(random.random() * 0.02)


@pytest.mark.parametrize("kind", ["memory", "file", "two-processes"])
def test_p6_whoever_comes_after_a_purge_never_sees_what_it_purged(wrap, site, tmp_path, kind):
    world = World()
    site.views["/p"] = world.view
    options = {
        "store": "memory:" if kind == "memory" else f"file:{tmp_path}",
        "routes": {"/<path:x>": Policy(revalidate=0.02)},
        "clock": time.time,
        "executor": None,
        "base_url": "http://site.test",
        "backend_timeout": 5,
    }
    isgs = [wrap(site, **options) for _ in range(2 if kind == "two-processes" else 1)]
    work = [lambda isg=isg: world.visit(isg) for isg in isgs for _ in range(4)]
    work += [lambda: world.write(isgs), lambda: world.disturb(isgs)]
    errors: list[BaseException] = []

    def run(action) -> None:
        try:
            action()
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=run, args=(action,), daemon=True) for action in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert errors == []
    assert world.wrong == []
    assert world.labels >= SEEN
