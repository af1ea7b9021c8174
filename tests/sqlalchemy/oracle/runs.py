"""Runs of the oracle."""

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from .edits import EDITS
from .pages import pages
from .schema import engine_for, fill
from .sites import PaperSite, bare


@dataclass
class Found:
    """``wrong``: pages that were answered as fresh and were not what the app says, with the edit
    before. ``changed`` and ``in_vain``: pages that an edit of a kind has changed, and has renewed
    although it did not change them; those that depend on everything are counted apart."""

    edits: int = 0
    wrong: list = field(default_factory=list)
    changed: Counter = field(default_factory=Counter)
    in_vain: Counter = field(default_factory=Counter)
    with_everything: Counter = field(default_factory=Counter)
    vain_pages: dict = field(default_factory=lambda: defaultdict(Counter))

    @property
    def share_in_vain(self):
        return sum(self.in_vain.values()) / max(1, sum(self.changed.values()))

    def table(self):
        lines = [f"{'edit':34}{'changed':>9}{'in vain':>9}{'share':>8}"]
        for name in sorted(EDITS):
            changed, vain = self.changed[name], self.in_vain[name]
            lines.append(f"{name:34}{changed:9}{vain:9}{vain / max(1, changed):8.2f}")
        return "\n".join(lines)


def alone(directory, seed, edits, *, recipe=True, stop=True, kinds=None, count=None):
    """One writer; after each edit every page is compared, or ``count`` of them. ``stop``: at the
    first page that is wrong; ``kinds``: of edits."""
    rng = random.Random(seed)
    engine = engine_for(directory / f"shop-{seed}", recipe=recipe)
    fill(engine, seed)
    shown, found = pages(seed), Found()
    if count is not None:
        shown = {path: shown[path] for path in rng.sample(sorted(shown), count)}
    served = PaperSite(engine, shown)
    names = sorted(kinds or EDITS)
    try:
        now = {path: served.get(path)[0] for path in shown}
        for number in range(edits):
            name = rng.choice(names)
            EDITS[name](engine, random.Random(rng.random()))
            found.edits += 1
            for path, page in shown.items():
                truth = bare(engine, page)
                body, fresh = served.get(path)
                if body != truth:
                    found.wrong.append((name, path, number, body, truth, list(served.told)))
                    served.kept.pop(path)
                elif truth != now[path]:
                    found.changed[name] += 1
                elif not fresh:
                    if "raw" in path:
                        found.with_everything[name] += 1
                    else:
                        found.in_vain[name] += 1
                        found.vain_pages[name][path] += 1
                now[path] = truth
            served.told.clear()
            if found.wrong and stop:
                return found
    finally:
        served.close()
        engine.dispose()
    return found
