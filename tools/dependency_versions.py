"""Runs the tests of automatic dependencies against each supported version of Django and SQLAlchemy.

``python tools/dependency_versions.py ["NAME==VERSION [OTHER==VERSION…]"…]``: each is installed into
a directory of its own, which comes before the environment's own packages. Exits with 1 if any run
failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
VERSIONS: Final = (
    "Django==4.2.* asgiref==3.6.0", "Django==5.2.*", "Django", "SQLAlchemy==2.0.*", "SQLAlchemy",
)  # fmt: skip
TESTS: Final = {
    "django": [
        f"tests/django/test_{name}.py"
        for name in (
            "announcing",
            "commits",
            "dependencies",
            "dependencies_oracle",
            "driver_access",
            "plain_commits",
            "sql_within",
            "switched_off",
            "two_models",
        )
    ],
    "sqlalchemy": ["tests/sqlalchemy"],
}


def main(wanted: list[str]) -> int:
    failed = []
    for version in wanted or VERSIONS:
        with tempfile.TemporaryDirectory() as directory:
            pip = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "-q",
                "--target",
                directory,
                *version.split(),
            ]
            subprocess.run(pip, check=True)
            paths = [directory, str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
            environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
            name = version.split()[0].partition("=")[0].lower()
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS[name]]
            done = subprocess.run(command, cwd=ROOT, env=environ, check=False)
            shown = [sys.executable, "-c", f"import {name}; print({name}.__version__)"]
            found = subprocess.run(shown, env=environ, capture_output=True, text=True, check=True)
            result = "failed" if done.returncode else "passed"
            print(f"{version}, {name} {found.stdout.strip()}: {result}", flush=True)
            if done.returncode:
                failed.append(version)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
