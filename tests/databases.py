"""The database of tests that run on others than SQLite, too: ``ISGWARE_TEST_DATABASE``.

It is SQLAlchemy's URL of a server, such as ``postgresql+psycopg://me@127.0.0.1:5433`` or
``mariadb+pymysql://root@127.0.0.1:3307``; ``?isolation=REPEATABLE READ`` sets what transactions
see. Each test has databases of its own there, and leaves them.
``python tools/dependency_databases.py`` starts such servers.
"""

import hashlib
import os
from functools import lru_cache
from importlib import import_module

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.engine import URL

from isgware.render_context import untracked

_GIVEN = make_url(os.environ.get("ISGWARE_TEST_DATABASE") or "sqlite://")
ISOLATION = _GIVEN.query.get("isolation")
SERVER = _GIVEN.difference_update_query(["isolation"])
#: ``sqlite``, ``postgresql``, or ``mysql``, which MariaDB is, too.
BACKEND = {"mariadb": "mysql"}.get(SERVER.get_backend_name(), SERVER.get_backend_name())
#: A collation for which upper and lower case are equal.
NOCASE = "utf8mb4_general_ci" if BACKEND == "mysql" else "NOCASE"
_POSTGRESQL_NOCASE = (
    'CREATE COLLATION "NOCASE" '
    "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
)
#: SQLAlchemy's ``insert`` of this database, with its upserts.
upsert = import_module(f"sqlalchemy.dialects.{BACKEND}").insert


def database(path: object) -> URL:
    """The database that stands for ``path``, made if it is not there: a file of SQLite's, or one of
    the server."""
    if BACKEND == "sqlite":
        return URL.create("sqlite", database=str(path))
    name = "t_" + hashlib.sha256(str(path).encode()).hexdigest()[:20]
    _create(name)
    return SERVER.set(database=name)


@lru_cache
def _create(name: str) -> None:
    home = SERVER.set(database="postgres") if BACKEND == "postgresql" else SERVER
    if _run(home, f"SELECT 1 FROM {_LISTED[BACKEND]} = '{name}'"):
        return
    _run(home, f"CREATE DATABASE {name}" + _OPTIONS[BACKEND])
    if BACKEND == "postgresql":
        _run(SERVER.set(database=name), _POSTGRESQL_NOCASE)


_LISTED = {
    "postgresql": "pg_database WHERE datname",
    "mysql": "information_schema.schemata WHERE schema_name",
}
_OPTIONS = {"postgresql": "", "mysql": " CHARACTER SET utf8mb4"}


def _run(url: URL, sql: str) -> bool:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with untracked(), engine.connect() as connection:
        result = connection.execute(text(sql))
        found = result.returns_rows and result.first() is not None
    engine.dispose()
    return found


def django_settings(path: object) -> dict[str, object]:
    """``DATABASES`` of Django for one alias."""
    url = database(path)
    if BACKEND == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.database}
    options = {"isolation_level": ISOLATION.lower()} if ISOLATION and BACKEND == "mysql" else {}
    return {
        "ENGINE": f"django.db.backends.{BACKEND}", "NAME": url.database, "HOST": url.host,
        "PORT": str(url.port), "USER": url.username or "", "PASSWORD": url.password or "",
        "OPTIONS": options, "CONN_MAX_AGE": None,
    }  # fmt: skip
