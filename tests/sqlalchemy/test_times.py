"""A query that compares with the time is noted: no change tells of it."""

from datetime import date, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from isgware.core.unseen import notes_in
from isgware.sqlalchemy import recorder

from .recording import clean_room


class Base(DeclarativeBase):
    pass


class Diary(Base):
    __tablename__ = "diary"
    id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[date]
    at: Mapped[datetime]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (lambda: Diary.at <= datetime.now(), "diary.at"),
        (lambda: Diary.day.between(date(2020, 1, 1), date.today()), "diary.day"),
        (lambda: Diary.at < func.now(), "something"),
        (lambda: Diary.day <= date(2020, 1, 1), ""),
        (lambda: func.lower(Diary.day) < func.date("2020-01-01"), ""),
    ],
    ids=["now", "today", "the database's now", "a day", "functions"],
)
def test_a_condition_near_now_is_noted_with_its_place(engine, condition, said):
    Base.metadata.create_all(engine)
    recorder.install()
    with clean_room() as lines, Session(engine) as session:
        session.scalars(select(Diary.id).where(condition())).all()
    notes = notes_in(lines)
    assert len(notes) == bool(said)
    assert all(f"{said} was compared" in note and "test_times.py:" in note for note in notes)


@pytest.mark.parametrize(
    "statement",
    [
        lambda: select(func.of_the_app(Diary.id)),
        lambda: select(Diary.id).where(func.of_the_app(1) == 1),
        lambda: select(func.of_the_app().table_valued("x")),
    ],
    ids=["shown", "asked", "a table"],
)
def test_a_function_of_the_apps_database_is_noted(engine, statement):
    Base.metadata.create_all(engine)
    recorder.install()
    fails = pytest.raises(OperationalError, match="of_the_app")  # SQLite has no such function
    with clean_room() as lines, Session(engine) as session, fails:
        session.execute(statement())
    (note,) = notes_in(lines)
    assert "of_the_app()" in note
    assert "test_times.py:" in note
