"""Several writers and readers at once, two ISGs: threads over ``memory:``, processes over a file.

Rounds: everybody edits and reads; then, with nobody at work, every page of every ISG is compared
with what the app says.
"""

import logging
import multiprocessing
import random
import threading
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError
from werkzeug.test import Client

import isgware
from isgware import Policy

from .edits import EDITS
from .pages import pages
from .schema import engine_for, fill
from .sites import bare

WRITERS, EDITS_EACH, READERS, READS_EACH = 2, 3, 2, 25


@dataclass
class Result:
    edits: int = 0
    reads: int = 0
    hits: int = 0
    wrong: list = field(default_factory=list)


class Shop:
    """One ISG over the shop."""

    def __init__(self, engine, shown, store, **options):
        self.engine, self.shown = engine, shown
        self.isg = isgware.ISG(
            self._app, store=store, enabled=True, dependencies=True, backend_timeout=60.0,
            routes={"/<path:rest>": Policy(revalidate=False)}, **options,
        )  # fmt: skip
        self.client = Client(self.isg)

    def _app(self, environ, start_response):
        body = bare(self.engine, self.shown[environ["PATH_INFO"]])
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [body.encode()]

    def get(self, path):
        answer = self.client.get(path)
        return answer.text, answer.headers["X-ISG-Cache"]

    def wrong(self):
        """Pages that are answered as fresh and are not."""
        found, hits = [], 0
        for path, page in self.shown.items():
            truth = bare(self.engine, page)
            body, cache = self.get(path)
            hits += cache == "HIT"
            if cache != "STALE" and body != truth:
                found.append((path, cache, body, truth))
        return found, hits


def work(shops, seed):
    """Writers and readers at once; returns how many edits were made."""
    rng = random.Random(seed)
    made = []

    def write(seed):
        rng = random.Random(seed)
        for _ in range(EDITS_EACH):
            name = rng.choice(sorted(EDITS))
            try:
                EDITS[name](shops[0].engine, rng)
            except (SQLAlchemyError, AttributeError, ValueError):
                pass  # what it was about to change is gone
            made.append(name)

    def read(seed):
        rng = random.Random(seed)
        for _ in range(READS_EACH):
            shop = rng.choice(shops)
            shop.get(rng.choice(sorted(shop.shown)))

    threads = [threading.Thread(target=write, args=(rng.random(),)) for _ in range(WRITERS)]
    threads += [threading.Thread(target=read, args=(rng.random(),)) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


def some_pages(seed, count):
    shown = pages(seed)
    paths = random.Random(seed).sample(sorted(shown), min(count, len(shown)))
    return {path: shown[path] for path in paths}


def threads(directory, seed, rounds, *, count=60, recipe=True):
    """Two ISGs in one process, each with its own ``memory:``."""
    engine = engine_for(directory / f"shop-{seed}", recipe=recipe)
    fill(engine, seed)
    shown = some_pages(seed, count)
    shops = [Shop(engine, shown, "memory:") for _ in range(2)]
    result = Result()
    try:
        for number in range(rounds):
            made = work(shops, repr((seed, number)))
            _count(result, made, [shop.wrong() for shop in shops], number)
            if result.wrong:
                break
    finally:
        for shop in shops:
            shop.isg.close(0)
        engine.dispose()
    return result


def _count(result, made, found, number):
    result.edits += len(made)
    for wrong, hits in found:
        result.wrong += [(number, made, *each) for each in wrong]
        result.hits += hits


def processes(directory, seed, rounds, *, count=60, recipe=True, **options):
    """Two processes over one store in a file, each with its own memory; ``options`` of ISGs."""
    engine = engine_for(directory / f"shop-{seed}", recipe=recipe)
    fill(engine, seed)
    engine.dispose()
    context = multiprocessing.get_context("spawn")
    ends, workers, result = [], [], Result()
    for number in range(2):
        ours, theirs = context.Pipe()
        arguments = (str(directory), seed, count, recipe, number, theirs, options)
        worker = context.Process(target=_serve, args=arguments, daemon=True)
        worker.start()
        ends.append(ours)
        workers.append(worker)
    try:
        for number in range(rounds):
            for end in ends:
                end.send(("work", repr((seed, number))))
            made = [name for end in ends for name in end.recv()]
            found = []
            for end in ends:  # one after the other: a check renders what is gone
                end.send(("check", ""))
                found.append(end.recv())
            _count(result, made, found, number)
            if result.wrong:
                break
    finally:
        for end, worker in zip(ends, workers, strict=True):
            end.send(("end", ""))
            worker.join(60)
    return result


def _serve(directory, seed, count, recipe, number, end, options):
    logging.getLogger("isgware").setLevel(logging.ERROR)
    engine = engine_for(f"{directory}/shop-{seed}", recipe=recipe)
    shop = Shop(engine, some_pages(seed, count), f"file:{directory}/pages-{seed}", **options)
    while (command := end.recv())[0] != "end":
        if command[0] == "work":
            end.send(work([shop], f"{command[1]} {number}"))
        else:
            end.send(shop.wrong())
    shop.isg.close(0)
