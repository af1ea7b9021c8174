"""Runs every benchmark: ``python -m bench.run`` (or ``make bench``). Arguments are those of
`bench.invalidation`, which takes minutes unless it is given smaller sizes."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import (
    build,
    export,
    feel,
    herd,
    hits,
    instructions,
    invalidation,
    memory,
    misses,
    simulate,
    store,
    storm,
    versus,
)


def main() -> None:
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}\n")
    chosen = (
        hits,
        instructions,
        versus,
        misses,
        store,
        herd,
        export,
        build,
        memory,
        simulate,
        feel,
    )
    for module in chosen:
        module.main()
        print()
    storm.main(2_000, 4.0)
    print()
    invalidation.main(sys.argv[1:])


if __name__ == "__main__":
    main()
