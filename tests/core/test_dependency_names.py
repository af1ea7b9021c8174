"""A page and a change have a name in common just when the one may change the other."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isgware.core.database_reads import MAX_READS, MAX_SHAPES, DatabaseReads, Writes
from isgware.core.dependencies import (
    UNKNOWN,
    UPDATES_ONLY,
    Deleted,
    Everything,
    EverythingChanged,
    Inserted,
    Question,
    Read,
    Row,
    RowsChanged,
    Shape,
    TableChanged,
    Updated,
    Write,
    canonical,
    concerns,
)
from isgware.core.dependency_names import (
    SIZE,
    Shapes,
    hashed,
    names_of_writes,
    row_names,
    shape_name,
    shape_names,
    split,
)

COLUMNS = ("a", "b", "c")
tables = st.sampled_from(("post", "author"))
keys = st.integers(0, 3) | st.just(UNKNOWN)
columns = st.frozensets(st.sampled_from(COLUMNS))
values = st.dictionaries(st.sampled_from(COLUMNS), st.sampled_from((0, 1, True, None)))


@st.composite
def questions(draw: st.DrawFn) -> Question:
    equals = draw(values)
    looked_at = draw(st.none() | columns)
    whole = None if looked_at is None else looked_at | set(equals)
    if whole is not None and draw(st.booleans()):
        whole |= {UPDATES_ONLY}
    return Question(draw(tables), whole, tuple(sorted(equals.items())))


reads = st.one_of(
    st.builds(Row, tables, keys, st.none() | columns.filter(bool)),
    questions(),
    st.builds(Everything),
)


def writes_of(values: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Write]:
    return st.one_of(
        st.builds(Inserted, tables, keys, values),
        st.builds(Deleted, tables, keys, values),
        st.builds(Updated, tables, keys, st.none() | columns, values, values),
        st.builds(RowsChanged, tables, st.none() | columns),
        st.builds(TableChanged, tables),
        st.builds(EverythingChanged),
    )


writes = writes_of(values)
#: Rows of which all is known.
known_writes = writes_of(st.fixed_dictionaries(dict.fromkeys(COLUMNS, st.sampled_from((0, 1)))))


def shapes_of(*many: DatabaseReads) -> Shapes:
    known: dict[str, list[Any]] = {}
    for each in many:
        for shape in each.finished({}).shapes:
            known.setdefault(shape.table, []).append(shape)
    return known


def meet(read: Read, write: Write) -> bool:
    collected = DatabaseReads()
    collected.add(read)
    names = set(split(collected.finished({}).names))
    return not names.isdisjoint(names_of_writes([write], shapes_of(collected)))


@settings(max_examples=300)
@given(reads, writes)
def test_what_a_change_concerns_has_a_name_of_it(read: Read, write: Write) -> None:
    if concerns(write, read):
        assert meet(read, write)


@settings(max_examples=300)
@given(reads, known_writes)
def test_what_it_does_not_concern_has_none(read: Read, write: Write) -> None:
    known = not isinstance(read, Row) or read.key is not UNKNOWN  # else it reads the whole table
    if known and not concerns(write, read):
        assert not meet(read, write)


@given(st.lists(reads, max_size=6), writes)
def test_a_page_of_many_reads_meets_what_any_of_them_meets(many: list[Read], write: Write) -> None:
    collected = DatabaseReads()
    for read in many:
        collected.add(read)
    names = set(split(collected.finished({}).names))
    met = not names.isdisjoint(names_of_writes([write], shapes_of(collected)))
    assert met >= any(concerns(write, read) for read in many)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (5, "5"), (True, 1), (5, Decimal("5.00")), (5, 5.0), ("Ab", "aB "), (5, "05"), ("5.0", 5),
        (uuid.UUID(int=7), uuid.UUID(int=7).hex), (uuid.UUID(int=7), str(uuid.UUID(int=7)).upper()),
        (uuid.UUID(int=7), uuid.UUID(int=7).bytes), ((1, "a"), [1, "A"]),
        ((1, uuid.UUID(int=7)), f"01, {uuid.UUID(int=7)}"), (("a,B", 2), "A, b,2"),
    ],
)  # fmt: skip
def test_values_that_a_database_may_hold_equal_are_written_alike(one: Any, other: Any) -> None:
    assert canonical(one) == canonical(other) is not None


@pytest.mark.parametrize("value", [1.5, Decimal("0.1"), b"x", float("nan"), (1, 1.5)], ids=repr)
def test_what_may_be_written_in_several_ways_is_not_known(value: Any) -> None:
    assert canonical(value) is None


def test_null_is_no_empty_text() -> None:
    assert canonical(None) != canonical("")


def test_a_moved_row_concerns_the_questions_it_left_and_those_it_came_to() -> None:
    write = Updated("post", 5, {"author"}, {"author": 1}, {"author": 2})
    asked = [Question("post", frozenset({"author"}), (("author", n),)) for n in (1, 2, 3)]
    assert [meet(question, write) for question in asked] == [True, True, False]


def test_a_changed_title_does_not_concern_a_question_on_dates() -> None:
    write = Updated("post", 5, {"title"}, {"author": 1}, {"author": 1})
    assert not meet(Question("post", frozenset({"author", "date"}), (("author", 1),)), write)
    assert meet(Row("post", 5), write)
    assert not meet(Row("post", 5, frozenset({"date"})), write)


def test_a_page_keeps_a_bounded_number_of_names() -> None:
    collected = DatabaseReads()
    collected.rows("post", range(MAX_READS + 1))
    collected.row("author", 1)
    found = collected.finished({})
    assert len(found.names) < 10 * SIZE
    whole = "post[*] (more than 1,000 dependencies)"
    assert found.texts.split("\n") == ["author:1", whole]
    assert meet(Row("post", 1), Inserted("post", 2_000)) is False
    assert not set(split(found.names)).isdisjoint(names_of_writes([Inserted("post", 2_000)], {}))


def test_of_many_tables_the_largest_becomes_whole_first() -> None:
    collected = DatabaseReads()
    collected.rows("post", range(600))
    collected.rows("author", range(500))
    texts = collected.finished({}).texts.split("\n")
    assert [text for text in texts if "[*]" in text] == ["post[*] (more than 1,000 dependencies)"]


def test_beyond_so_many_shapes_a_question_is_one_on_the_whole_table() -> None:
    collected = DatabaseReads()
    for number in range(MAX_SHAPES + 1):
        collected.question("post", {f"column{number}"})
    found = collected.finished({})
    assert len(found.shapes) == MAX_SHAPES
    late = names_of_writes([Updated("post", 1, {"another"})], {"post": list(found.shapes)})
    assert not set(split(found.names)).isdisjoint(late)


def test_shapes_that_the_store_knows_are_not_told_again() -> None:
    collected = DatabaseReads()
    collected.question("post", {"date"}, {"author": 1})
    assert collected.finished(shapes_of(collected)).shapes == frozenset()


def test_a_transaction_of_very_many_rows_changes_the_table() -> None:
    held = Writes()
    for key in range(1_001):
        held.add(Inserted("post", key))
    held.add(Inserted("author", 1))
    assert list(held) == [TableChanged("post"), Inserted("author", 1)]


def test_a_savepoint_hands_its_writes_on_and_what_is_not_known_comes_first() -> None:
    outer, inner = Writes(), Writes()
    assert not outer
    outer.add(Inserted("post", 1))
    inner.add(EverythingChanged("cursor.execute"))
    outer.join(inner)
    assert list(outer) == [EverythingChanged(), Inserted("post", 1)]
    assert outer


def test_people_are_told_what_a_page_depends_on() -> None:
    collected = DatabaseReads()
    collected.row("post", 5)
    collected.row("post", 6, frozenset({"title"}))
    collected.question("post", {"date"}, {"author": 3, "parent": None})
    collected.table("stock")
    collected.everything("cursor.execute in views.py:12")
    assert collected.finished({}).texts.split("\n") == [
        "* cursor.execute in views.py:12",
        "post:5",
        "post:6(title)",
        "post[author=3, parent=NULL; date]",
        "stock[*]",
    ]


def test_a_page_without_rows_depends_on_its_question_alone() -> None:
    asked, shown = DatabaseReads(), DatabaseReads()
    for reads in (asked, shown):
        reads.question("post", {"a"}, {"a": 1})
    shown.rows("post", [])
    assert shown.finished({}).names == asked.finished({}).names


def test_names_are_hashes_of_their_parts_since_stores_keep_them() -> None:
    shape = Shape("post", ("author", "date"), ("author",))
    parts = "post", "author\0date", "author"
    assert row_names("post", ["5", "\ud800"]) == [
        hashed("row", "post", "5"), hashed("row", "post", "\ud800"),
    ]  # fmt: skip
    assert shape_name(shape) == hashed("shape", *parts)
    assert shape_names(shape, [("3",), ("4",)]) == [
        hashed("asked", *parts, "3"), hashed("asked", *parts, "4"),
    ]  # fmt: skip
    assert hashed("row", "post", "5").hex() == "b6e4c30c68a3a666"
