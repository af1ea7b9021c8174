"""Two processes over one database and one store, and what was found."""

import multiprocessing
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from random import Random

from ...databases import database
from . import site


@dataclass
class Found:
    """``wrong``: pages that were answered as fresh and were not what the app says. ``locked``:
    edits that could not get the database's lock. ``by_kind``: for each kind of edit, how many
    pages it changed and how many were renewed in vain."""

    edits: int = 0
    wrong: list = field(default_factory=list)
    locked: list = field(default_factory=list)
    labels: Counter = field(default_factory=Counter)
    by_kind: dict = field(default_factory=lambda: defaultdict(Counter))

    def add(self, kinds, answer, *, counted=False):
        wrong, found, locked = answer
        self.wrong += [(kinds, *each) for each in wrong]
        self.locked += locked
        self.labels.update(found)
        if counted:
            self.by_kind[kinds].update(found)

    def first(self):
        """The edit, and the page that was wrong after it; or that could not be made."""
        return " ".join(map(str, next(iter(self.wrong + self.locked), ())[:2]))

    def share(self, suffix=""):
        changed = sum(found[f"changed{suffix}"] for found in self.by_kind.values())
        vain = sum(found[f"in vain{suffix}"] for found in self.by_kind.values())
        return vain / max(1, changed)

    def table(self):
        lines = [f"{'edit':34}{'changed':>9}{'in vain':>9}{'share':>8}"]
        for kind, found in sorted(self.by_kind.items()):
            changed, vain = found["changed"], found["in vain"]
            lines.append(f"{kind:34}{changed:9}{vain:9}{vain / max(1, changed):8.2f}")
        lines.append(
            f"in vain {self.share():.2f}, pages with SQL of their own {self.share(', *'):.2f}"
        )
        lines.append(f"{self.edits} edits, {self.labels['HIT']} hits, {len(self.locked)} locked")
        return "\n".join(lines)


class Pair:
    def __init__(
        self, directory, seed, *, count=None, writing=False, kinds=None, processes=2, **options
    ):
        """``count``: of pages that are compared; ``writing``: also those that write; ``kinds``: of
        edits, all without."""
        self.random, self.kinds, self.processes = Random(seed), kinds, range(processes)
        self.directory, self.seed = directory, seed
        self.shown = (seed, count, writing)
        self.options = {
            "store": f"file:{directory}/store", "dependencies": True, "backend_timeout": 60.0,
            **options,
        }  # fmt: skip

    def __enter__(self):
        context = multiprocessing.get_context("spawn")
        database(f"{self.directory}/database")  # one of a server's is made here, not by both
        self._ends, self._workers = [], []
        for _ in self.processes:
            ours, theirs = context.Pipe()
            arguments = (str(self.directory), self.shown, self.options, theirs)
            worker = context.Process(target=site.serve, args=arguments, daemon=True)
            worker.start()
            self._ends.append(ours)
            self._workers.append(worker)
        self.ask(0, "fill", self.seed)
        for number in self.processes:
            wrong, _, _ = self.ask(number, "check")
            assert wrong == []
        return self

    def __exit__(self, *_):
        for end, worker in zip(self._ends, self._workers, strict=True):
            if worker.is_alive():
                end.send(("end",))
            worker.join(60)

    def ask(self, number, *command):
        self._ends[number].send(command)
        return self._answer(number)

    def _answer(self, number):
        answer = self._ends[number].recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def check(self, found, kinds, *, counted=False):
        """One after the other: a check renders what is gone."""
        for number in self.processes:
            answer = self.ask(number, "check")
            found.add(kinds, answer, counted=counted and number == 0)

    def one_by_one(self, edits, *, within=0.0):
        """After each edit every page is compared; ``within``: how many of the edits come in the
        middle of a render. Ends at the first page that is wrong."""
        found = Found()
        for number in range(edits):
            seed, process = repr((self.seed, number)), self.random.choice(self.processes)
            if self.random.random() < within:
                kinds = self.ask(process, "edit_within_a_render", seed, self.kinds)
            else:
                kinds = self.ask(process, "edit", seed, self.kinds)
            found.edits += 1
            self.check(found, kinds, counted=" while " not in kinds)
            if found.wrong:
                break
        return found

    def at_once(self, rounds):
        """Threads of both processes edit and read; after each round every page is compared."""
        found = Found()
        for number in range(rounds):
            for process, end in enumerate(self._ends):
                end.send(("work", repr((self.seed, number, process)), self.kinds))
            made = [self._answer(process) for process in self.processes]
            found.edits += sum(map(len, made))
            self.check(found, f"{made} in round {number}")
            if found.wrong:
                break
        return found
