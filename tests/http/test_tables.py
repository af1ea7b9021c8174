"""Every case, in process. `tests.integration.test_http` plays them through servers."""

from __future__ import annotations

import pytest

from tests.http.conftest import InProcess
from tests.http.freshness import FRESHNESS
from tests.http.script import Case, check
from tests.http.serving import SERVING
from tests.http.storing import STORING
from tests.http.validation import VALIDATION

CASES = (*FRESHNESS, *STORING, *SERVING, *VALIDATION)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(client: InProcess, case: Case) -> None:
    check(client, "a", case.steps)


def test_each_case_has_a_name_of_its_own() -> None:
    names = [case.id for case in CASES]
    assert sorted(set(names)) == sorted(names)
