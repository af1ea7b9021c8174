"""P13, decided by an oracle: after each commit every page is rendered bare and compared.

Two processes, each with an ISG and a memory of its own, on one database and one store.
``ORACLE_EDITS=10000 ORACLE_SEED=7 pytest -s tests/django/test_dependencies_oracle.py`` for a long
run; ``ORACLE_STORE=URL`` on another store, ``ISGWARE_TEST_DATABASE=URL`` on another database (see
`tests.databases`), ``ORACLE_KINDS=title,move`` for such edits alone, or ``all``, one by one. A
failure prints its seed.
"""

import os

import pytest

from .oracle import site
from .oracle.pair import Pair

EDITS = int(os.environ.get("ORACLE_EDITS", "0"))
SEED = int(os.environ.get("ORACLE_SEED", "1"))
EACH_ROUND = 2 * site.WRITERS * site.EDITS_EACH
STORE = os.environ.get("ORACLE_STORE")
#: In a mutation run; see `tools/recorder_guards.py`.
KINDS = [kind for kind in os.environ.get("ORACLE_KINDS", "").split(",") if kind]


def pair(directory, count, **options):
    store = {"store": STORE} if STORE else {}
    kinds = KINDS if KINDS != ["all"] else None
    return Pair(directory, SEED, count=110 if KINDS else count, kinds=kinds, **store, **options)


def look(found):
    if EDITS:
        print(f"\n{found.table()}")
    assert found.wrong + found.locked == [], f"seed {SEED}, edit {found.edits}: {found.first()}"
    assert found.labels["HIT"]


def test_no_page_is_wrong_after_edits_of_two_processes(tmp_path):
    with pair(tmp_path, 60 if EDITS else 50, writing=True) as processes:
        look(processes.one_by_one(EDITS // 20 or 4, within=0.5))
        look(processes.at_once(EDITS // 2 // EACH_ROUND or 1))


if EDITS:  # it takes minutes

    def test_no_page_is_wrong_after_an_edit(tmp_path):
        with pair(tmp_path, 100, processes=1 if KINDS else 2) as processes:
            look(processes.one_by_one(EDITS // 4, within=0.1))

    @pytest.mark.parametrize(
        "more",
        [
            {"max_pages": 40}, {"dependencies": "soft"},
            {"dependencies_durable": True, "dependencies_lag": 1},
        ],
        ids=str,
    )  # fmt: skip
    def test_nor_with_other_options(tmp_path, more):
        with pair(tmp_path, 60, writing=True, **more) as processes:
            look(processes.one_by_one(EDITS // 40, within=0.4))
            look(processes.at_once(EDITS // 10 // EACH_ROUND or 1))
