"""A SQLAlchemy that cannot be watched is refused."""

import pytest
from sqlalchemy import column, select, table
from sqlalchemy.sql.compiler import SQLCompiler

from isgware.errors import ConfigurationError
from isgware.sqlalchemy import compilers


@pytest.mark.parametrize("hook", [None, lambda self, something_else: None])
def test_a_compiler_that_works_otherwise_is_refused(monkeypatch, hook):
    if hook is None:
        monkeypatch.delattr(SQLCompiler, compilers._HOOKED)
    else:
        monkeypatch.setattr(SQLCompiler, compilers._HOOKED, hook)
    with pytest.raises(ConfigurationError, match="does not know SQLAlchemy"):
        compilers.watch()


def test_each_select_of_a_statement_is_noted_once():
    compilers.watch()
    compilers.watch()
    one, other = table("one", column("a")), table("other", column("b"))
    statement = select(one).where(one.c.a.in_(select(other.c.b).where(other.c.b == one.c.a)))
    found = compilers.selects_of(statement.compile())
    assert [[each.name for each in selected.froms] for selected in found] == [["one"], ["other"]]
    assert [selected.outermost for selected in found] == [True, False]


def test_a_statement_that_was_compiled_before_has_none(monkeypatch):
    monkeypatch.undo()
    compiled = select(column("a")).compile()
    compiled.__dict__.pop(compilers._SELECTS, None)
    assert compilers.selects_of(compiled) is None
