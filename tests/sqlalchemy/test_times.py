"""A query that compares with the time is noted: no change tells of it."""

from datetime import date, datetime

import pytest
from sqlalchemy import func, select
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
    ],
    ids=["now", "today", "the database's now", "a day"],
)
def test_a_condition_near_now_is_noted_with_its_place(engine, condition, said):
    Base.metadata.create_all(engine)
    recorder.install()
    with clean_room() as lines, Session(engine) as session:
        session.scalars(select(Diary.id).where(condition())).all()
    notes = notes_in(lines)
    assert len(notes) == bool(said)
    assert all(f"{said} was compared" in note and "test_times.py:" in note for note in notes)
