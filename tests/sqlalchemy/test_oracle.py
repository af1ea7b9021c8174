"""Random pages and edits: what is answered as fresh is what the app says.

``ORACLE_EDITS=10000 ORACLE_SEED=7 pytest -s tests/sqlalchemy/test_oracle.py`` for a long run, in
which processes take part; a failure prints its seed. ``ORACLE_KINDS=roll back,raw sql``: only such
edits, by one writer.
"""

import os

import pytest

from .oracle import concurrent
from .oracle.runs import alone

EDITS = int(os.environ.get("ORACLE_EDITS", "0"))
SEED = int(os.environ.get("ORACLE_SEED", "1"))
KINDS = [kind for kind in os.environ.get("ORACLE_KINDS", "").split(",") if kind not in ("", "all")]


@pytest.mark.parametrize("recipe", [True, False], ids=["begin", "driver"])
def test_no_page_is_wrong_after_an_edit(tmp_path, recipe):
    count = None if EDITS else 50
    found = alone(tmp_path, SEED, EDITS // 4 or 8, recipe=recipe, count=count, kinds=KINDS)
    first = " ".join(map(str, found.wrong[0][:2])) if found.wrong else ""
    assert found.wrong == [], f"seed {SEED}, edit {found.edits}: {first}"
    assert found.edits == (EDITS // 4 or 8)
    if EDITS:
        print(f"\n{found.table()}\nin vain: {found.share_in_vain:.2f}")


def test_no_page_is_wrong_after_edits_at_once(tmp_path):
    rounds = EDITS // 4 // (concurrent.WRITERS * concurrent.EDITS_EACH) or 1
    found = concurrent.threads(tmp_path, SEED, rounds, count=60 if EDITS else 30)
    assert found.wrong == [], f"seed {SEED}"
    assert found.hits


if EDITS:  # it takes minutes

    @pytest.mark.parametrize("more", [{}, {"max_pages": 30}], ids=["roomy", "evicting"])
    def test_no_page_is_wrong_after_edits_of_two_processes(tmp_path, more):
        rounds = EDITS // 8 // (2 * concurrent.WRITERS * concurrent.EDITS_EACH) or 1
        found = concurrent.processes(tmp_path, SEED, rounds, **more)
        assert found.wrong == [], f"seed {SEED}"
        assert found.hits
