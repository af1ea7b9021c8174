"""An integration whose framework is not installed names what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("name", ["flask", "django", "sqlalchemy"])
def test_without_the_framework_the_error_names_the_extra(name: str) -> None:
    script = f"""
import sys
class Nothing:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == {name!r}:
            raise ModuleNotFoundError(name, name={name!r})
sys.meta_path.insert(0, Nothing)
import isgware.{name}
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "ConfigurationError" in done.stderr
    assert f"pip install 'isgware[{name}]'" in done.stderr
