"""Kills an export at each of its steps in turn: ``python killing.py STORE NOW BEFORE PLACE``.

BEFORE is a tree that an export of an older store has left. For each step a copy of it is
exported to, by a process that SIGKILL ends at that step, then by one that is left alone. Prints, as
JSON, for every step the files after the first and after the second.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from isgware import connect

STEPS = ("mkdir", "rename", "unlink", "rmdir", "write", "utime", "ftruncate", "fsync")


def export(store: str, now: float, tree: Path) -> None:
    with connect(store, clock=lambda: now, backend_timeout=10) as pages:
        pages.export(tree)


def in_a_child(work: Callable[[], None]) -> bool:
    """False if it was killed."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    status = os.waitpid(pid, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status == 0


def killed_at(last: int) -> None:
    """From now on the step of that number is this process's last."""
    count = 0

    def counted(step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **keywords: Any) -> Any:
            nonlocal count
            count += 1
            if count == last:
                if step is os_write:  # half of it is on the disk
                    step(args[0], bytes(args[1])[: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*args, **keywords)

        return run

    os_write = os.write
    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def files(tree: Path) -> dict[str, str]:
    return {
        str(path.relative_to(tree)): path.read_bytes().hex()
        for path in sorted(tree.rglob("*"))
        if path.is_file()
    }


def main() -> None:
    store, now, before, place = sys.argv[1], float(sys.argv[2]), *map(Path, sys.argv[3:])
    found = []
    whole = False
    while not whole:
        tree = place / str(len(found))
        shutil.copytree(before, tree)

        def die(tree: Path = tree, step: int = len(found) + 1) -> None:
            killed_at(step)
            export(store, now, tree)

        whole = in_a_child(die)
        torn = files(tree)
        assert in_a_child(lambda tree=tree: export(store, now, tree))  # type: ignore[misc]
        found.append([torn, files(tree)])
        shutil.rmtree(tree)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
