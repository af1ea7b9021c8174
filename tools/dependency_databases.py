"""Runs the tests of automatic dependencies on PostgreSQL and MariaDB, where they are installed.

``python tools/dependency_databases.py [postgresql] [mariadb]`` starts a server of its own for each
(``apt install postgresql mariadb-server``), on loopback, in a temporary directory, as an
unprivileged user if this is root. What Python drivers are missing is installed into a directory of
its own; ``mysqlclient`` is compiled (``apt install gcc libmariadb-dev pkg-config``). The oracles
run longer with ``ORACLE_EDITS=10000``. Prints what it ran, and exits with 1 if
any of it failed.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
#: By what is imported.
DRIVERS: Final = {
    "psycopg": "psycopg[binary]", "asyncpg": "asyncpg", "pymysql": "pymysql",
    "MySQLdb": "mysqlclient", "asyncmy": "asyncmy",
}  # fmt: skip
DJANGO: Final = tuple(
    f"tests/django/test_{name}.py"
    for name in ("databases", "dependencies", "dependency_writes", "dependencies_oracle", "unseen")
)
SQLALCHEMY: Final = tuple(
    f"tests/sqlalchemy/test_{name}.py"
    for name in ("databases", "transactions", "sessions", "times", "oracle")
)
#: Tests of locks wait for another transaction and go on, which PostgreSQL refuses to those that
#: read repeatably.
RUNS: Final = {
    "postgresql": (
        ("Django", "READ COMMITTED", DJANGO),
        ("SQLAlchemy", "READ COMMITTED", SQLALCHEMY),
        ("SQLAlchemy", "REPEATABLE READ", SQLALCHEMY[-1:]),
        ("SQLAlchemy", "SERIALIZABLE", SQLALCHEMY[-1:]),
    ),
    "mariadb": (
        *(
            (library, isolation, tests)
            for library, tests in (("Django", DJANGO), ("SQLAlchemy", SQLALCHEMY))
            for isolation in ("READ COMMITTED", "REPEATABLE READ")
        ),
        ("SQLAlchemy", "SERIALIZABLE", SQLALCHEMY[-1:]),
    ),
}
EDITS: Final = {"ORACLE_EDITS": "200"}
#: A thread that ends leaves its connection to be closed with it, of which psycopg warns.
_WARNINGS: Final = ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning")
_OPTIONS: Final = [
    "-q", "--tb=short", "-p", "no:cacheprovider", "--timeout", "0",
    *(word for name in _WARNINGS for word in ("-W", f"ignore::{name}")),
]  # fmt: skip


def main(wanted: list[str]) -> int:
    failed, ran = [], 0
    with tempfile.TemporaryDirectory() as directory:
        paths = [
            str(ROOT / "src"),
            str(ROOT),
            os.environ.get("PYTHONPATH", ""),
            _drivers(directory),
        ]
        environ = {**EDITS, **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        for name, start in SERVERS.items():
            if wanted and name not in wanted:
                continue
            with _home() as home, start(home) as url:
                if not url:
                    print(f"{name}: not installed")
                    continue
                for run in RUNS[name]:
                    ran += 1
                    failed += [] if _passed(name, url, *run, environ) else [run]
    return 1 if failed or not ran else 0


def _passed(
    name: str, url: str, library: str, isolation: str, tests: tuple[str, ...],
    environ: dict[str, str],
) -> bool:  # fmt: skip
    asked = f"{url}?isolation={isolation.replace(' ', '%20')}"
    environ = {**environ, "ISGWARE_TEST_DATABASE": asked}
    command = [sys.executable, "-m", "pytest", *_OPTIONS, *tests]
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    last = done.stdout.strip().rpartition("\n")[2]
    if done.returncode:
        print(done.stdout[-20_000:], done.stderr[-5_000:])
    print(f"{name}, {library}, {isolation}: {last}", flush=True)
    return done.returncode == 0


def _drivers(directory: str) -> str:
    """Where those are that the environment has not got."""
    missing = []
    for module, package in DRIVERS.items():
        test = [sys.executable, "-c", f"import {module}"]
        if subprocess.run(test, capture_output=True, check=False).returncode:
            missing.append(package)
    if missing:
        pip = [sys.executable, "-m", "pip", "install", "-q", "--target", directory, *missing]
        subprocess.run(pip, check=True)
    return directory


# Servers.


@contextmanager
def _postgresql(home: Path) -> Iterator[str]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    program = shutil.which("postgres") or (str(found[-1]) if found else "")
    if not program:
        yield ""
        return
    data, port = home / "data", _free_port()
    make = [str(Path(program).with_name("initdb")), "-D", str(data), "-U", "isgware", "-A", "trust"]
    _run([*make, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
    settings = ("fsync=off", "synchronous_commit=off", "max_prepared_transactions=10")
    command = [program, "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(home)]
    command += [word for setting in settings for word in ("-c", setting)]
    with _server(command, home, port):
        yield f"postgresql+psycopg://isgware@127.0.0.1:{port}"


@contextmanager
def _mariadb(home: Path) -> Iterator[str]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    program = shutil.which("mariadbd", path=path)
    install = shutil.which("mariadb-install-db", path=path)
    if not program or not install:
        yield ""
        return
    data, port = home / "data", _free_port()
    own = ["--no-defaults", f"--datadir={data}"]
    _run([install, *own, "--auth-root-authentication-method=normal", "--skip-test-db"])
    more = ["--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M"]
    files = [f"--socket={home}/socket", f"--pid-file={home}/pid"]
    command = [program, *own, *files, *more, f"--port={port}", "--bind-address=127.0.0.1"]
    with _server(command, home, port):
        yield f"mariadb+pymysql://root@127.0.0.1:{port}"


SERVERS: Final[dict[str, Callable[[Path], Any]]] = {"postgresql": _postgresql, "mariadb": _mariadb}


@contextmanager
def _server(command: list[str], home: Path, port: int) -> Iterator[None]:
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, **_unprivileged())
    try:
        _await(process, port, home / "log")
        yield
    finally:
        process.terminate()
        process.wait(60)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit(f"{process.args!r} does not answer:\n{log.read_text(errors='replace')[-3_000:]}")


@contextmanager
def _home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        if os.getuid() == 0:
            shutil.chown(directory, "nobody")
        yield Path(directory)


def _unprivileged() -> dict[str, Any]:
    """These servers refuse to be root's."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **_unprivileged())
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end, too
    sys.exit(main(sys.argv[1:]))
