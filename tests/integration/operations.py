"""Random operations on a fleet from several clients at once, each written into a `History`."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from isgware import BackendUnavailable, connect
from tests.integration.client import request
from tests.integration.fleets import BROKEN, Fleet
from tests.integration.model import History, Said, Visit

CLIENTS = 6
SECTIONS, NAMES = "abc", "123456"
PATHS = [
    *(f"/page/{section}/{name}" for section in SECTIONS for name in NAMES),
    *(f"/brief/{section}/1" for section in SECTIONS),
]
#: Operations between two workers' deaths, and between two choices of what is popular.
_KILLED_EVERY, _POPULAR_FOR = 250, 300
#: Operations while the store is away, in which no call succeeds: then clients wait until it is
#: back. They are soon done, and the more of them there are, the busier the machine.
_WHILE_AWAY = 50
#: Times that a beat came late, by which processes may hear later of each other.
_LATE = 5.0


class Crowd:
    """``count`` operations. The same ``seed`` draws the same ones for each client; how they fall
    together is the machine's doing."""

    def __init__(self, fleet: Fleet, data: Path, seed: int, count: int) -> None:
        self.fleet = fleet
        self.seed = seed
        self.history = History(fleet.slack)
        self.errors: list[str] = []
        self._data = data
        self._count = count
        self._numbers = itertools.count()
        self._here = threading.Event()
        self._here.set()
        self._while_away = itertools.count(1)
        self._editing = {path: threading.Lock() for path in PATHS}
        self._connection = connect(fleet.store_url, backend_timeout=5)
        for path in PATHS:
            self._write(path)

    def run(self) -> None:
        threads = [threading.Thread(target=self._client, args=(n,)) for n in range(CLIENTS)]
        with beating() as latest:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if self.fleet.slack:
            self.history.slack += _LATE * latest[0]
        self._connection.close()

    def _client(self, number: int) -> None:
        draw = random.Random(f"{self.seed} {number}")
        while (index := next(self._numbers)) < self._count:
            try:
                self._step(index, draw)
            except Exception as error:
                self.errors.append(f"operation {index}: {type(error).__name__}: {error}")

    def _step(self, index: int, draw: random.Random) -> None:
        if self.fleet.redis is not None and index in (self._count // 3, self._count * 2 // 3):
            self._while_away = itertools.count(1)
            self._here.clear()
            try:
                self.history.outages.append(self.fleet.restart_the_store(draw.choice((0.0, 1.5))))
            finally:
                self._here.set()
            return
        if not self._here.is_set() and next(self._while_away) > _WHILE_AWAY:
            self._here.wait()
        if index % _KILLED_EVERY == _KILLED_EVERY // 2:
            self.fleet.kill_a_worker(draw)
        else:
            operations: list[Callable[[str, random.Random], None]] = [
                self.visit, self._edit, self._edit_and_say, self._say, self._regenerate
            ]  # fmt: skip
            operation = draw.choices(operations, (80, 3, 7, 7, 3))[0]
            operation(self._page(index, draw), draw)

    def _page(self, index: int, draw: random.Random) -> str:
        """Most visits go to four popular pages, and most calls; for a while, then to others."""
        if draw.random() < 0.6:
            at = index // _POPULAR_FOR
            return draw.choice(random.Random(f"{self.seed} popular {at}").sample(PATHS, 4))
        return draw.choice(PATHS)

    # What clients do.

    def visit(self, path: str, draw: random.Random) -> Visit | None:
        query, bucket = draw.choice(("", "", "", "v=1")), draw.choice(("", "", "", "a", "b"))
        cookies = [f"bucket={bucket}"] if bucket else []
        if draw.random() < 0.3:
            cookies.append(f"session={draw.getrandbits(32):x}")
        server = draw.choice(self.fleet.servers)
        headers = {"Cookie": "; ".join(cookies)} if cookies else {}
        begin = time.monotonic()
        try:
            url = f"{path}?{query}" if query else path
            answer = request(server.port, url, headers=headers, timeout=30)
        except BROKEN:
            return None
        end = time.monotonic()
        assert answer.status == 200, f"{url} answered {answer.status}"
        page = answer.page
        visit = Visit(
            path=path, query=query, bucket=bucket, cookies="; ".join(cookies), begin=begin, end=end,
            label=str(answer.state), pid=answer.served_by, begun=page["begun"],
            version=page["version"], seen_path=page["path"], seen_query=page["query"],
            seen_cookie=page["cookie"],
        )  # fmt: skip
        self.history.visits.append(visit)
        return visit

    def _edit(self, path: str, draw: random.Random) -> None:
        self._write(path)

    def _write(self, path: str) -> None:
        with self._editing[path]:
            edits = self.history.edits.setdefault(path, [])
            file = self._data / urllib.parse.quote(path, safe="")
            scratch = file.with_suffix(".new")
            begin = time.monotonic()
            scratch.write_text(str(len(edits)))
            os.replace(scratch, file)
            edits.append((begin, time.monotonic()))

    def _edit_and_say(self, path: str, draw: random.Random) -> None:
        self._write(path)
        self._say(path, draw)

    def _say(self, path: str, draw: random.Random) -> None:
        """Invalidate the page, by one of its names."""
        start, section, name = path.strip("/").split("/")
        names = [
            ("path", path), ("path", f"{path}?v=1"),
            ("tag", f"page:{section}-{name}"), ("tag", f"section:{section}"),
            ("path", f"/{start}/{section}/*"), ("tag", "pages"), ("all", ""),
        ]  # fmt: skip
        kind, argument = draw.choices(names, (40, 10, 30, 4, 4, 1, 1))[0]
        hard = kind == "all" or draw.random() < 0.5
        self._call(f"{'purge' if hard else 'revalidate'}_{kind}", argument, draw)

    def _regenerate(self, path: str, draw: random.Random) -> None:
        begin = time.monotonic()
        try:
            self._call("regenerate", path, draw)
        finally:
            self.history.regenerations.append((path, begin, time.monotonic()))

    def _call(self, verb: str, argument: str, draw: random.Random) -> None:
        arguments = [argument] if argument else []
        begin = time.monotonic()
        if verb != "regenerate" and draw.random() < 0.2:
            with contextlib.suppress(BackendUnavailable):
                getattr(self._connection, verb)(*arguments)
                self._note(verb, argument, begin, os.getpid())
            return
        try:
            answer = draw.choice(self.fleet.servers).do(verb, *arguments)
        except BROKEN:
            return
        if "error" not in answer:
            self._note(verb, argument, begin, answer["pid"])
        else:
            allowed = ("BackendUnavailable", "RegenerationError")
            assert answer["error"] in allowed, f"{verb} {argument}: {answer}"

    def _note(self, verb: str, argument: str, begin: float, pid: int) -> None:
        self.history.said.append(
            Said(verb=verb, argument=argument, begin=begin, end=time.monotonic(), pid=pid)
        )

    # What is told of a failure.

    def report(self, limit: int = 5) -> str:
        """The first violations, each with what was done to its page before."""
        found = list(itertools.islice(self.history.violations(), 200))
        lines = [f"seed {self.seed}: {len(found)} violations, {len(self.errors)} errors"]
        lines += self.errors[:limit]
        for visit, rule in found[:limit]:
            lines += ["", f"VIOLATION: {rule}", f"  {_shown(visit)}", "  before it:"]
            lines += [f"  {_shown(event)}" for event in self._before(visit)]
        return "\n".join(lines) if found or self.errors else ""

    def _before(self, visit: Visit) -> list[Said | Visit]:
        events: list[Said | Visit] = [
            *(said for said in self.history.said if said.covers(visit.path, visit.query)),
            *(
                other
                for other in self.history.visits
                if (other.path, other.query, other.bucket)
                == (visit.path, visit.query, visit.bucket)
            ),
        ]
        return sorted((it for it in events if it.begin <= visit.end), key=lambda it: it.begin)[-20:]


@contextlib.contextmanager
def beating() -> Iterator[list[float]]:
    """How late the latest of a hundred beats a second has come: what the machine's other work does
    to a thread that wants to go on."""
    latest, over = [0.0], threading.Event()

    def beat() -> None:
        before = time.monotonic()
        while not over.wait(0.01):
            now = time.monotonic()
            latest[0] = max(latest[0], now - before - 0.01)
            before = now

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield latest
    finally:
        over.set()
        thread.join()


def _shown(event: Said | Visit) -> str:
    fields = asdict(event)
    times = [f"{fields.pop(name):.4f}" for name in ("begin", "end")]
    return f"{'-'.join(times)} " + " ".join(f"{name}={value}" for name, value in fields.items())
