"""A process that has just started: what it takes until its first answer from a store, and how much
memory it has after some more. `started` runs such processes; they run this module.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from bench.kit import stores
from bench.kit.apps import asked, constant, environ
from bench.kit.machine import ROOT, resident
from isgware import ISG, Policy

RULE = "/page/<int:number>"
POLICY = Policy(revalidate=86_400)
VARIED = Policy(revalidate=86_400, vary=("Accept-Language",))
REPEATED = 3


@dataclass(frozen=True)
class Seen:
    """Milliseconds to the first answer, and MiB of all processes after their last."""

    start: float
    memory: float


def started(url: str, pages: int, variants: int = 0, together: int = 1) -> Seen:
    """Of processes that ask for ``pages`` pages, or for as many variants of each; ``together`` at
    once. Medians of a few turns."""
    command = [sys.executable, "-m", "bench.newcomer", url, str(pages), str(variants)]
    turns = []
    for _ in range(REPEATED):
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
            for _ in range(together)
        ]
        told = [json.loads(process.communicate()[0]) for process in running]
        turns.append(
            Seen(statistics.median(ms for ms, _ in told), sum(memory for _, memory in told))
        )
    return Seen(
        statistics.median(turn.start for turn in turns),
        statistics.median(turn.memory for turn in turns),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.newcomer", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("pages", type=int, help="how many to ask for")
    parser.add_argument("variants", type=int, help="of each; 0: it has none")
    chosen = parser.parse_args()
    began = time.perf_counter()
    policy = VARIED if chosen.variants else POLICY
    isg = ISG(
        constant, store=chosen.url, routes={RULE: policy}, backend_timeout=stores.TIMEOUT,
        max_pages=stores.LIMITS.pages, max_bytes=1 << 42,
    )  # fmt: skip
    first = 0.0
    for page in range(chosen.pages):
        request = environ(f"/page/{page}") | {"HTTP_HOST": "example.com"}
        for variant in range(chosen.variants or 1):
            language = {"HTTP_ACCEPT_LANGUAGE": f"x-{variant}"} if chosen.variants else {}
            label = asked(isg, request | language)[1]["X-ISG-Cache"]
            assert label == "HIT", label
            first = first or (time.perf_counter() - began) * 1e3
    print(json.dumps([first, resident()]))
    isg.close()


if __name__ == "__main__":
    main()
