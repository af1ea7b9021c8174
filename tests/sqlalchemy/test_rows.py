"""Keys of rows, as the driver gives them."""

from operator import itemgetter

import pytest

from isgware.core.database_reads import DatabaseReads
from isgware.sqlalchemy.rows import Cursor, Shown, note

ONE = (Shown("thing", itemgetter(1), False, None),)
TWO = (Shown("thing", itemgetter(1, 0), True, None),)


class Driver:
    arraysize = 1
    description = ()

    def __init__(self, rows):
        self.rows = iter(rows)

    def __iter__(self):
        return self.rows

    def fetchone(self):
        return next(self.rows, None)

    def fetchmany(self, size=1):
        return [row for row, _ in zip(self.rows, range(size), strict=False)]

    def fetchall(self):
        return list(self.rows)

    def close(self):
        self.rows = None


def texts(reads):
    return reads.finished({}).texts.splitlines()


@pytest.mark.parametrize(
    ("fetch", "noted"),
    [
        (lambda cursor: cursor.fetchone(), ["thing:1"]),
        (lambda cursor: cursor.fetchmany(2), ["thing:1", "thing:2"]),
        (lambda cursor: next(iter(cursor)), ["thing:1"]),
        (lambda cursor: cursor.fetchall(), ["thing:1", "thing:2", "thing:3"]),
    ],
)
def test_rows_are_noted_as_they_are_fetched(fetch, noted):
    reads = DatabaseReads()
    fetch(Cursor(Driver([("a", 1), ("b", 2), ("c", 3)]), reads, ONE))
    assert texts(reads) == noted


def test_it_is_the_cursor_of_the_driver():
    driver = Driver([])
    cursor = Cursor(driver, DatabaseReads(), ONE)
    assert (cursor.description, cursor.arraysize, cursor.fetchone()) == ((), 1, None)
    cursor.arraysize = 7
    assert driver.arraysize == 7
    cursor.close()
    assert driver.rows is None


def test_a_row_of_an_outer_join_may_be_none():
    reads = DatabaseReads()
    note(reads, ONE, [("a", None), ("b", 2)])
    note(reads, TWO, [("a", None), ("b", 3)])
    assert texts(reads) == ["thing:2", "thing:3,b"]


def test_what_is_no_key_is_everything():
    """The app gets its rows all the same."""
    reads = DatabaseReads()
    note(reads, ONE, [("a", ["unhashable"])])
    assert reads.why.startswith("TypeError")
