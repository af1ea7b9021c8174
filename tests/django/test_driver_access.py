"""The driver's own connection and cursor, where the app takes them."""

import pytest
from django.db import connection, connections
from django.db.backends.signals import connection_created

from .newsroom.pages import PAGES
from .newsroom.site import newsroom as newsroom
from .test_dependencies import depends
from .test_dependencies import room as room


def by_cursor():
    with connection.cursor() as cursor:
        return cursor.cursor.execute("SELECT 1").fetchone()


WAYS = {
    "connection": lambda: connection.connection.execute("SELECT 1").fetchone(),
    "by alias": lambda: connections["default"].connection.execute("SELECT 1").fetchone(),
    "cursor": by_cursor,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_page_that_takes_it_depends_on_everything(room, monkeypatch, way):
    def page(number):
        room.models.Topic.objects.exists()  # connects
        return WAYS[way]()

    monkeypatch.setitem(PAGES, "get", page)
    (line,) = [line for line in depends(room, "/get/1") if line.startswith("*")]
    assert "the driver's" in line
    assert "test_driver_access.py" in line


def test_how_a_connection_is_set_up_does_not_count(room, monkeypatch):
    """Nor who looks whether there is one."""

    def set_up(connection, **_):
        assert connection.connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    def page(number):
        connection.close()
        assert connection.connection is None
        return list(room.models.Topic.objects.all())

    monkeypatch.setitem(PAGES, "get", page)
    connection_created.connect(set_up)
    try:
        assert depends(room, "/get/1") == ["newsroom.Topic[]"]
    finally:
        connection_created.disconnect(set_up)


def test_it_stays_an_attribute(room):
    room.models.Topic.objects.exists()
    assert connection.connection is vars(connections["default"])["connection"]
    with connection.cursor() as cursor:
        driver = cursor.cursor
        assert driver is vars(cursor)["cursor"]
        cursor.cursor = "another"
        assert cursor.cursor == "another"
        cursor.cursor = driver
    empty = object.__new__(type(connections["default"]))
    with pytest.raises(AttributeError, match="connection"):
        getattr(empty, "connection")  # noqa: B009
