"""Every case, in process. `tests.integration.test_http` plays them through servers."""

from __future__ import annotations

import pytest

from tests.shared_cache.conftest import InProcess
from tests.shared_cache.freshness import FRESHNESS
from tests.shared_cache.script import Case, check
from tests.shared_cache.serving import SERVING
from tests.shared_cache.storing import STORING
from tests.shared_cache.validation import VALIDATION

CASES = (*FRESHNESS, *STORING, *SERVING, *VALIDATION)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(client: InProcess, case: Case) -> None:
    check(client, "a", case.steps)


def test_each_case_has_a_name_of_its_own() -> None:
    names = [case.id for case in CASES]
    assert sorted(set(names)) == sorted(names)
