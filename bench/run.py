"""The benchmarks by name: ``make bench``, or ``python -m bench.run``.

Without names it runs those that say how isgware stands beside its peers, which takes eight minutes
on two cores. Each can also be run alone, with options of its own: python -m bench.NAME --help.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.kit.machine import PACKAGES, ROOT, missing, program


@dataclass(frozen=True)
class Benchmark:
    """``takes``: about so many minutes; ``usual``: run when none is named."""

    name: str
    about: str
    takes: float
    usual: bool = False


BENCHMARKS: Final = (
    Benchmark("versus", "a hit beside its peers: CPU, throughput, latency", 5, usual=True),
    Benchmark("instructions", "what a hit adds to a bare call, counted by callgrind", 0.5, True),
    Benchmark("hits", "what a hit adds to a bare call, in CPU time", 0.2, usual=True),
    Benchmark("misses", "a page that is in the store, but not in memory", 0.2, usual=True),
    Benchmark("herd", "a thousand visitors of one cold page, and of one stale page", 0.2, True),
    Benchmark("feel", "what visitors of a page feel while others are regenerated", 1, usual=True),
    Benchmark("storm", "a whole site stale at once", 2),
    Benchmark("refused", "what wrapping costs where no page can be stored", 3),
    Benchmark("existing_site", "hit rates and CPU of a site with logins and forms", 1),
    Benchmark("holes", "a page with two holes: filled, as a plain hit, own, by Varnish's ESI", 0.8),
    Benchmark("tokens", "a page with a CSRF token, beside an empty view of Django and Flask", 0.5),
    Benchmark("dependency_recording", "what dependencies=True adds to renders and commits", 6),
    Benchmark("dependencies_in_vain", "pages renewed in vain, and by table on the same edits", 4),
    Benchmark("loading", "how soon a loading page is there", 0.2),
    Benchmark("invalidation", "what invalidating costs, and when all hosts know of it", 6),
    Benchmark("dependency_store", "what dependencies cost a store, by its pages", 4),
    Benchmark("build", "isgware build beside the app alone", 3),
    Benchmark("export", "an export, the first and later ones", 1),
    Benchmark("memory", "what pages take in a process", 2),
    Benchmark("growth", "what grows with pages, workers, tags, variants, to a million pages", 15),
    Benchmark("simulate", "sites that do not fit a machine, worked out", 0.3),
)


def listed() -> str:
    lines = [
        f"  {one.name:22}{one.takes:>4g} min  {'*' if one.usual else ' '} {one.about}"
        for one in BENCHMARKS
    ]
    return "\n".join([*lines, "", "  * run when none is named"])


def run(one: Benchmark, options: Sequence[str]) -> bool:
    command = [sys.executable, "-m", f"bench.{one.name}", *options]
    print(f"== {one.name}: {one.about} (python -m bench.{one.name})\n", flush=True)
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT)
    print(f"\n   {time.monotonic() - started:.0f} s\n", flush=True)
    return done.returncode == 0


def main() -> None:
    names = [one.name for one in BENCHMARKS]
    parser = argparse.ArgumentParser(
        prog="python -m bench.run",
        description=__doc__,
        epilog=f"benchmarks:\n{listed()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="one of those below, or all")
    parser.add_argument("--list", action="store_true", help="show which there are")
    parser.add_argument(
        "--save", action="store_true", help="keep what the documentation shows (docs/measured)"
    )
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - {*names, "all"}:
        parser.error(f"there is no {', '.join(sorted(unknown))}; --list shows which there are")
    if chosen.list:
        print(listed())
        return
    for absent in (name for name in PACKAGES if program(name) is None):
        print(f"{missing(absent)}: what needs it is left out.")
    wanted = names if "all" in chosen.names else chosen.names
    failed = [
        one.name
        for one in BENCHMARKS
        if (one.name in wanted if wanted else one.usual)
        and not run(one, ["--save"] if chosen.save else [])
    ]
    if failed:
        raise SystemExit(f"Failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
