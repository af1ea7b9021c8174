"""Visitors of the bookshop (``examples.existing_site``): a cookie jar each, and forms really sent.

What they do is drawn before anything is answered, so that bare and wrapped sites get the same
visits in the same order. They ask a WSGI app in this process.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from werkzeug.test import Client, TestResponse

from examples.existing_site.content import POSTS, SHELF
from examples.existing_site.members import PASSWORDS

#: Of a hundred visitors. Commenters write, shoppers fill a basket, members have logged in before.
KINDS: Final = {"anonymous": 80, "commenter": 8, "shopper": 7, "member": 5}
#: Page views of a visit, at least and at most, and how many visits are under way at a time.
VIEWS: Final = (3, 15)
TOGETHER: Final = 40
#: One GET in so many of an undeclared page.
ASIDE: Final = 20
_TOKEN: Final = re.compile(r'(name="csrf_token"[^>]*value=")([^"]+)')
_NONCE: Final = re.compile(r"(nonce[-=]\"?)([\w-]{16,})")
_ANSWERED: Final = ("Content-Type", "Location", "Content-Security-Policy", "X-Frame-Options")


@dataclass(frozen=True)
class Seen:
    """One answer: what bare and wrapped sites must agree on, and what isgware said of it.

    ``own``: the visitor has something of their own that every page shows (a user, a basket, a
    message). ``declared``: it is a page view of a route that the site declares. ``form``: it
    answers a form.
    """

    what: str
    answer: tuple[object, ...]
    state: str
    own: bool
    declared: bool
    form: bool
    good: bool


@dataclass
class Meter:
    """Counts CPU seconds of a WSGI app in the thread that asks."""

    app: Callable[..., Any]
    seconds: float = 0.0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        began = time.thread_time()
        chunks = self.app(environ, start_response)
        try:
            return list(chunks)
        finally:
            getattr(chunks, "close", lambda: None)()
            self.seconds += time.thread_time() - began


@dataclass
class Person:
    """One visitor. ``nonces`` is of all visitors: no nonce may come twice."""

    kind: str
    client: Client
    chance: random.Random
    nonces: set[str]
    member: str = ""
    basket: bool = False
    message: bool = False
    seen: list[Seen] = field(default_factory=list)

    def log_in(self) -> None:
        self.member = ""
        name = self.chance.choice(sorted(PASSWORDS))
        fields = {"name": name, "password": PASSWORDS[name]}
        self._send("/login", "/login", "/account", fields)
        self.member = name

    def log_out(self) -> None:
        self._send("/account", "/logout", "/", {})
        self.member = ""

    def act(self) -> None:
        """A page, sometimes with a form on it."""
        chance = self.chance.random()
        if self.kind == "commenter" and chance < 0.2:
            path = f"/journal/{_popular(self.chance, list(POSTS))}"
            words = {"name": "A reader", "text": f"Comment {self.chance.randrange(10**6)}"}
            self._send(path, path, path, words)
        elif self.kind == "shopper" and chance < 0.2:
            slug = _popular(self.chance, list(SHELF))
            self.basket = self._send(f"/books/{slug}", f"/basket/{slug}", f"/books/{slug}", {})
        elif self.kind == "member" and chance < 0.02:
            self.log_out()
            self.log_in()
        else:
            self._view(_somewhere(self.chance))

    def _send(self, page: str, action: str, after: str, fields: dict[str, str]) -> bool:
        """Open a page, send the form on it, follow the redirect."""
        token = _TOKEN.search(self._view(page).text)
        answer = self.client.post(
            action, data={**fields, "csrf_token": token[2] if token else ""}, buffered=True
        )
        good = answer.status_code == 303 and answer.headers["Location"] == after
        self._note(f"POST {action}", answer, form=True, good=good)
        self.message = True
        if action == "/logout":
            self.member = ""
        elif action.startswith("/basket/"):
            self.basket = True
        elif action == "/login":
            self.member = fields["name"]
        self._view(after)
        return good

    def _view(self, path: str) -> TestResponse:
        answer = self.client.get(path, buffered=True)
        self._note(f"GET {path}", answer, good=answer.status_code == 200)
        self.message = False  # each page shows what there is
        return answer

    def _note(self, what: str, answer: TestResponse, *, form: bool = False, good: bool) -> None:
        policy = answer.headers.get("Content-Security-Policy", "")
        given = {found[2] for found in _NONCE.finditer(policy + answer.text)}
        if given:
            good = good and len(given) == 1 and not given & self.nonces
            self.nonces |= given
        path = what.partition(" ")[2].partition("?")[0]
        aside = form or path in ("/basket", "/login", "/account")
        same = (
            answer.status_code,
            *(_plain(answer.headers.get(name, "")) for name in _ANSWERED),
            _plain(answer.text),
        )
        self.seen.append(
            Seen(
                what, same, answer.headers.get("X-ISG-Cache", ""),
                bool(self.member or self.basket or self.message), not aside, form, good,
            )
        )  # fmt: skip


def visits(client: Callable[[], Client], people: int, seed: int = 1) -> Iterator[list[Seen]]:
    """First what members did yesterday, then one visitor's act after another, as they mix."""
    chance, nonces = random.Random(seed), set[str]()
    kinds = [kind for kind, of in KINDS.items() for _ in range(max(1, round(people * of / 100)))]
    chance.shuffle(kinds)
    crowd = [
        Person(kind, client(), random.Random(seed + number), nonces)
        for number, kind in enumerate(kinds, 2)
    ]
    for person in crowd:
        if person.kind == "member":
            person.log_in()
            person._view("/")
    yield [seen for person in crowd for seen in _taken(person)]
    waiting = [(person, chance.randint(*VIEWS)) for person in crowd]
    here: list[tuple[Person, int]] = []
    while waiting or here:
        while waiting and len(here) < TOGETHER:
            here.append(waiting.pop())
        at = chance.randrange(len(here))
        person, left = here[at]
        person.act()
        if left > 1:
            here[at] = (person, left - 1)
        else:
            del here[at]
        yield _taken(person)


def _taken(person: Person) -> list[Seen]:
    seen, person.seen = person.seen, []
    return seen


def _plain(text: str) -> str:
    """Without tokens and nonces, which are never the same."""
    return _NONCE.sub(r"\1N", _TOKEN.sub(r"\1T", text))


def _popular(chance: random.Random, names: list[str]) -> str:
    """Few have many visits, and many have few."""
    return names[int(chance.paretovariate(0.7)) % len(names)]


def _somewhere(chance: random.Random) -> str:
    if chance.randrange(ASIDE) == 0:
        return chance.choice(("/basket", "/login"))
    where = chance.random()
    if where < 0.15:
        return "/"
    if where < 0.3:
        return f"/journal?page={chance.randint(1, 4)}" if chance.random() < 0.5 else "/journal"
    if where < 0.65:
        return f"/journal/{_popular(chance, list(POSTS))}"
    if where < 0.75:
        return "/books"
    if where < 0.95:
        return f"/books/{_popular(chance, list(SHELF))}"
    return "/about"
