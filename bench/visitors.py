"""A process that serves very many requests of one kind of visitors, and tells what memory it takes:
for `bench.memory`, which starts one for each kind.
"""

from __future__ import annotations

import argparse
import json
import random
import string
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from bench.kit import stores
from bench.kit.apps import asked, constant, environ, saying
from bench.kit.machine import resident
from isgware import ISG, Policy

LIMIT: Final = 64 * 1024**2
POLICY: Final = Policy(revalidate=86_400)
RULE: Final = "/page/<int:number>"
#: Parts of the requests after which memory is looked at.
TOLD: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
BROWSERS: Final = (
    "gzip, deflate, br, zstd", "gzip, deflate, br", "gzip, deflate", "gzip", "", "identity",
)  # fmt: skip
COOKIES: Final = ("", "", "_ga=GA1.1.1", "theme=dark; _ga=GA1.1.2", "session=abc")
Request = dict[str, Any]


def plain(chance: random.Random, page: str) -> Request:
    """one and the same kind of browser"""
    return {"PATH_INFO": page}


def browsers(chance: random.Random, page: str) -> Request:
    """several Accept-Encodings, cookies, HEAD"""
    request = {"PATH_INFO": page}
    if accepted := chance.choice(BROWSERS):
        request["HTTP_ACCEPT_ENCODING"] = accepted
    if cookies := chance.choice(COOKIES):
        request["HTTP_COOKIE"] = cookies
    if chance.random() < 0.05:
        request["REQUEST_METHOD"] = "HEAD"
    return request


def hostile(chance: random.Random, page: str) -> Request:
    """Accept-Encodings, hosts, queries and paths that nobody sent before"""
    word = "".join(chance.choices(string.ascii_lowercase, k=chance.choice((8, 8, 8, 800))))
    invented: tuple[Request, ...] = (
        {"PATH_INFO": page, "HTTP_ACCEPT_ENCODING": f"gzip, {word}"},
        {"PATH_INFO": page, "HTTP_ACCEPT_ENCODING": f"{word};q=0.5, br"},
        {"PATH_INFO": page, "HTTP_HOST": f"{word[:60]}.example"},
        {"PATH_INFO": page, "QUERY_STRING": f"{word}=1"},
        {"PATH_INFO": page, "QUERY_STRING": f"utm_source={word}"},
        {"PATH_INFO": f"/{word}"},
        {"PATH_INFO": page, "HTTP_COOKIE": f"{word}=1"},
    )
    return chance.choice(invented)


def full(chance: random.Random, page: str) -> Request:
    """as they come, stored from their own requests"""
    return browsers(chance, page)


KINDS: Final[dict[str, Callable[[random.Random, str], Request]]] = {
    made.__name__: made for made in (plain, browsers, hostile, full)
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.visitors", description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("url", help="of the store")
    parser.add_argument("pages", type=int)
    parser.add_argument("requests", type=int)
    chosen = parser.parse_args()
    memory = [resident()]
    isg = ISG(
        saying if chosen.kind == "full" else constant, store=chosen.url, memory=LIMIT,
        routes={} if chosen.kind == "full" else {RULE: POLICY},
        cache_control="full" if chosen.kind == "full" else "shared",
        backend_timeout=stores.TIMEOUT, max_pages=2 * chosen.pages, max_bytes=1 << 42,
    )  # fmt: skip
    make, chance, labels = KINDS[chosen.kind], random.Random(1), Counter[str]()
    usual = environ() | {"HTTP_HOST": "example.com", "SERVER_NAME": "example.com"}
    looks = {int(part * chosen.requests) for part in TOLD}
    for number in range(1, chosen.requests + 1):
        # By Zipf's law, but for every tenth visit, which is of any page.
        share = chance.random()
        page = int(share * chosen.pages if number % 10 == 0 else chosen.pages**share)
        told = asked(isg, usual | make(chance, f"/page/{page}"))[1]
        labels[told.get("X-ISG-Cache", "passed")] += 1
        if number in looks:
            memory.append(resident())
    held = len(isg.runtime.engine.page_store.memory)
    isg.close()
    answers = ", ".join(f"{count:,} {label}" for label, count in labels.most_common())
    print(json.dumps([memory, held, answers]))


if __name__ == "__main__":
    main()
