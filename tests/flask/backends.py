"""Where sessions of a Flask app lie: in the cookie, or where Flask-Session puts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cachelib import FileSystemCache, SimpleCache
from flask import Flask
from flask_session import Session
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event

from tests.stores import Redis, running

KINDS = ("cookie", "memory", "files", "sql", "redis")
SetUp = Callable[[Flask], None]
_numbers = count()


def _hurry(connection: Any, record: object) -> None:
    """Nothing of a test has to outlast a power cut."""
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA journal_mode=MEMORY")


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    with running(Redis()) as server:
        yield server


@pytest.fixture(params=KINDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SetUp]:
    """Gives an app sessions of one kind, apart from those of any other app."""
    engines = []

    def set_up(app: Flask) -> None:
        number = next(_numbers)
        if request.param == "memory":
            app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache())
        elif request.param == "files":
            files = FileSystemCache(str(tmp_path / str(number)), threshold=0)
            app.config.update(SESSION_TYPE="cachelib", SESSION_CACHELIB=files)
        elif request.param == "sql":
            app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/{number}.sqlite"
            database = SQLAlchemy(app)
            app.config.update(SESSION_TYPE="sqlalchemy", SESSION_SQLALCHEMY=database)
            with app.app_context():
                engines.append(database.engine)
                event.listen(database.engine, "connect", _hurry)
        elif request.param == "redis":
            client = request.getfixturevalue("redis").client()
            prefix = f"session{number}:"
            app.config.update(SESSION_TYPE="redis", SESSION_REDIS=client, SESSION_KEY_PREFIX=prefix)
            engines.append(client.connection_pool)
        if request.param != "cookie":
            Session(app)

    yield set_up
    for engine in engines:
        getattr(engine, "dispose", getattr(engine, "disconnect", None))()
