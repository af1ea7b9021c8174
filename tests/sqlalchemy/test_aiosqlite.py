"""SQLite by an async driver, whose connections SQLAlchemy hides behind others."""

import asyncio

import pytest
from sqlalchemy import event, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from isgware.core.dependencies import EverythingChanged, Inserted, Updated

from .models import Author, Base, Shelf
from .recording import clean_room, telling


@pytest.fixture
def told():
    with telling() as told:
        yield told


@pytest.fixture(params=[False, True], ids=["driver", "begin"])
def engine(request, tmp_path, told):
    """Transactions begin with the first write, as the driver has it, or where SQLAlchemy says."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'books'}", poolclass=NullPool)
    if request.param:

        @event.listens_for(engine.sync_engine, "connect")
        def connected(connection, _):
            connection.isolation_level = None

        @event.listens_for(engine.sync_engine, "begin")
        def begun(connection):
            connection.exec_driver_sql("BEGIN")

    async def fill():
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(insert(Author).values(id=1, name="Ann"))

    asyncio.run(fill())
    told()
    return engine


RENAMED = Updated("author", 1, {"name"}, {"id": 1}, {"id": 1})


def test_a_write_is_told_after_its_commit_and_not_before(engine, told):
    async def work():
        async with AsyncSession(engine) as session:
            (await session.get(Author, 1)).name = "Eve"
            await session.flush()
            assert told() == []
            session.add(Shelf(id=2))
            await session.commit()
            assert told() == [RENAMED, Inserted("shelf", 2, {"id": 2})]

    asyncio.run(work())


def test_what_is_rolled_back_is_told_to_nobody(engine, told):
    async def work():
        async with AsyncSession(engine) as session:
            session.add(Shelf(id=1))
            await session.flush()
            await session.rollback()
            async with session.begin_nested() as savepoint:
                await session.execute(update(Author).values(name="Eve"))
                await savepoint.rollback()
            await session.commit()
        assert told() == []

    asyncio.run(work())


def test_in_autocommit_it_is_told_at_once(tmp_path, told):
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{tmp_path / 'books'}",
        poolclass=NullPool, isolation_level="AUTOCOMMIT",
    )  # fmt: skip

    async def work():
        async with engine.connect() as connection:
            await connection.run_sync(Base.metadata.create_all)
            told()
            await connection.execute(insert(Shelf).values(id=1))
            assert told() == [Inserted("shelf", 1, {"id": 1})]

    asyncio.run(work())


def test_its_reads_are_noted(engine, told):
    async def work():
        with clean_room() as found:
            async with AsyncSession(engine) as session:
                assert (await session.get(Author, 1)).name == "Ann"
                rows = await session.stream(select(Author.id, Author.name))
                assert [tuple(row) async for row in rows] == [(1, "Ann")]
        assert found == ["author:1", "author:1(id)", "author[]"]

    asyncio.run(work())


def test_cursors_of_the_pool_are_watched(engine, told):
    def rename(connection):
        pooled = connection.connection
        cursor = pooled.cursor()
        cursor.execute("UPDATE author SET name = 'Eve'")
        cursor.close()
        if pooled.driver_connection.in_transaction:
            assert told() == []
            pooled.commit()
        assert told() == [EverythingChanged()]

    async def work():
        async with engine.connect() as connection:
            await connection.run_sync(rename)

    asyncio.run(work())
