"""What plain text does, by its first words."""

import pytest

from isgware.sqlalchemy.raw_sql import has_committed, kind_of


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT 1", "read"),
        ("  /* a */ -- b\n (select 1)", "read"),
        ("SELECT * FROM a FOR UPDATE", "read"),
        ("SELECT 'a; b into c'", "read"),
        ("SELECT 1;", "read"),
        ("VALUES (1)", "read"),
        ("SELECT 1; DELETE FROM a", "write"),
        ("SELECT * INTO b FROM a", "write"),
        ("WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a", "write"),
        ("UPDATE a SET b = 1", "write"),
        ("CALL something()", "write"),
        ("vacuum", "write"),
        ("?", "write"),
        ("EXPLAIN DELETE FROM a", "neither"),
        ("EXPLAIN ANALYZE DELETE FROM a", "write"),
        ("EXPLAIN ANALYZE SELECT 1", "neither"),
        ("PRAGMA foreign_keys=ON", "neither"),
        ("SET search_path TO a", "neither"),
        ("BEGIN IMMEDIATE", "neither"),
        ("SAVEPOINT a", "neither"),
        ("RELEASE a", "neither"),
        ("ROLLBACK TO a", "neither"),
        ("PREPARE TRANSACTION 'a'", "neither"),
        ("PREPARE a AS DELETE FROM b", "write"),
        ("COMMIT", "commit"),
        ("COMMIT PREPARED 'a'", "commit"),
        ("END", "commit"),
        ("", "neither"),
    ],
)
def test_what_is_no_plain_select_writes(statement, kind):
    assert kind_of(statement) == kind


@pytest.mark.parametrize(
    ("statement", "mysql", "others"),
    [
        ("commit", True, True),
        ("-- a\n ALTER TABLE a DROP b", True, False),
        ("DROP TABLE a", True, False),
        ("DROP TEMPORARY TABLE a", False, False),
        ("START TRANSACTION", True, False),
        ("SET autocommit = 1", True, False),
        ("SET NAMES utf8", False, False),
        ("UPDATE a SET b = 1", False, False),
    ],
)
def test_what_commits_beside_commit(statement, mysql, others):
    assert has_committed(statement, "mysql") is has_committed(statement, "mariadb") is mysql
    assert has_committed(statement, "postgresql") is has_committed(statement, "sqlite") is others
