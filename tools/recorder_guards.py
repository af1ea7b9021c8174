"""What the recorders of Django and SQLAlchemy note, one kind of read or write in each row: switched
off, the oracle has to find a page that is wrong as fresh. ``python tools/mutants.py --recorders``.

A row names the kinds of edits that the oracle is to make, all if it names none, or the test that
is to miss it, where no order of single edits can show it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tools.guards import Guard

_DJANGO: Final = "tests/django/test_dependencies_oracle.py::test_no_page_is_wrong_after_an_edit"
_AT_ONCE: Final = (
    "tests/django/test_dependencies_oracle.py::test_no_page_is_wrong_after_edits_of_two_processes"
)
_SQLALCHEMY: Final = "tests/sqlalchemy/test_oracle.py::test_no_page_is_wrong_after_an_edit"
_TABLE = Callable[..., list[Guard]]


def _by(oracle: str, edits: int, file: str, kinds: str = "") -> _TABLE:
    """Rows of one file: name, text, what is in its place, and kinds of edits."""

    def rows(*given: tuple[str, ...]) -> list[Guard]:
        return [
            Guard(
                name, file, text, without, (oracle,),
                (("ORACLE_EDITS", str(edits)), ("ORACLE_KINDS", (*more, kinds)[0] or "all")),
            )
            for name, text, without, *more in given
        ]  # fmt: skip

    return rows


def _django(file: str, kinds: str = "", oracle: str = _DJANGO) -> _TABLE:
    return _by(oracle, 240, f"django/{file}", kinds)


def _sqlalchemy(file: str, kinds: str = "") -> _TABLE:
    return _by(_SQLALCHEMY, 400, f"sqlalchemy/{file}", kinds)


def _test(file: str, test: str) -> _TABLE:
    def rows(*given: tuple[str, str, str]) -> list[Guard]:
        return [
            Guard(name, file, text, without, (f"tests/{test}",)) for name, text, without in given
        ]

    return rows


_POSTS: Final = "title,move,when,price,stale_object"

RECORDER_GUARDS: Final[tuple[Guard, ...]] = (
    # What Django reads.
    *_django("query_plans.py")(
        ("Django: keys of rows that came",
         "found = [_note(reads, shown, rows) for shown in self.shown]",
         "found = [False for shown in self.shown]", _POSTS),
        ("Django: keys of rows of an iterator", "                _note(reads, shown, chunk)\n", "                pass\n", _POSTS),
        ("Django: questions", "for asked in self.asked:", "for asked in ():", "create,move"),
        ("Django: a row that was not found", " and found[asked.answered]:", ":",
         "create,upsert_posts,delete_post,upsert"),
        ("Django: each combination of an IN", "reads.ask(asked.table, asked.kind, product(*several))",
         "reads.ask(asked.table, asked.kind, list(product(*several))[:1])", "create,move"),
        ("Django: values of each query of a text", "texts.append(found)", "texts.append([str(value) for value in equality.values])", "create,move"),
    ),
    *_django("query_reads.py")(
        ("Django: the order", "        terms.walk(watched.order_by)\n", "", "when,count_up,title"),
        ("Django: columns without the key",
         "terms.columns.setdefault(alias, set()).update(columns, shown.get(alias, ()))", "pass"),
        ("Django: aggregates and windows",
         "terms.into(terms.columns if aggregate or window else shown)", "terms.into(shown)",
         "by_hand,update_by_relation,count_up_one"),
        ("Django: what is computed beside the key",
         "frozenset({*columns, *shown.get(alias, ())})", "frozenset(columns)"),
        ("Django: what decides of rows shown in part",
         "self._keys[alias] = at, columns | more", "self._keys[alias] = at, columns", "slug,create"),
        ("Django: joined rows that come and go", "for name, _ in equals]), anchored)",
         "for name, _ in equals]), True)", "create,comment"),
        ("Django: joined rows whose columns decide", "columns is not None and columns <= {key}:", "True:", "rename_author"),
        ("Django: subqueries", "            for terms in listed\n", "            for terms in [own]\n", "comment,approve"),
        ("Django: SQL of other tables within a query", "            if terms.raw:\n", "            if False:\n", "comment"),
    ),
    *_django("equalities.py")(
        ("Django: a negated condition is no equality", " and not where.negated", "", "create"),
        ("Django: OR is no conjunction", ' and where.connector == "AND"', "", "create,edited"),
        ("Django: each value of an IN",
         "values = [value for value in lookup.rhs if value is not None]",
         "values = [value for value in lookup.rhs if value is not None][:1]", "create,move"),
    ),
    *_django("query_terms.py")(
        ("Django: columns of conditions", "    terms.walk(query.where)\n    terms.joins()",
         "    terms.joins()", "move,by_hand,approve"),
        ("Django: columns of joins", "            self._note(join.parent_alias, here)\n            self._note(alias, there)\n        filtered",
         "        filtered", "move,stale_object"),
        ("Django: foreign keys on the way to a condition",
         "                self._note(parent, here)\n                self._note(alias, there)\n",
         "                pass\n", "move,stale_object"),
        ("Django: conditions of a relation", "            self.walk(condition)\n", "", "approve,comment"),
        ("Django: that a joined row is missing",
         "if isinstance(join, Join) and join.join_type != INNER:", "if False:", "create,comment"),
        ("Django: what is in a subquery", "self.inner.append(of_subquery(query, self))", "pass", "comment,approve"),
        ("Django: unions", "terms.inner.append(of_subquery(combined, outer))", "pass", "create,title"),
        ("Django: aggregates of a subquery", "terms.inner.append(of_subquery(inner, outer))", "pass", "create,draft,delete_post"),
        ("Django: annotations in a subquery",
         "    terms.walk(list(query.annotations.values()))\n", "", "by_hand,count_up_one"),
        ("Django: what a subquery selects", "    terms.walk(list(query.select))\n", "", "by_hand,count_up_one"),
        ("Django: all columns of a union", "        terms.unknown |= set(terms.aliases)\n    terms.settle", "        pass\n    terms.settle", "title,price"),
        ("Django: RawSQL", "                self._raw(item.sql)\n", "                pass\n", "count_up,raw,by_hand"),
        ("Django: extra(where=…)", '                self._raw(" ".join(item.sqls))\n', "                pass\n", "count_up,by_hand"),
        ("Django: which tables RawSQL selects from", "            self.raw = self.raw or sql", "            pass", "comment,delete_some,fast_delete"),
        ("Django: expressions that write their own SQL", "            self._raw(sql)\n        elif", "            pass\n        elif", "upsert,overwrite,delete_topic,topics_create"),
        ("Django: columns of a query around a subquery", "            terms = terms.outer\n", "            return\n", "move,edited"),
    ),
    *_django("raw_sql.py")(
        ("Django: SQL of the app's own is read", 'if reads is not None and kind != "neither":', "if False:", _POSTS),
        ("Django: SQL of the app's own is written", 'if not counts or not (commits or kind == "writes"):', "if True:", "raw"),
    ),
    # What Django writes.
    *_django("recorded_queries.py")(
        ("Django: all inserts", "        return _active[0].writes.insert(\n            self,\n            lambda: _plainly(original, self, returning_fields, *given, **named),\n            returning_fields,\n        )",
         "        return _plainly(original, self, returning_fields, *given, **named)", "create,comment"),
        ("Django: all updates", "        return _active[0].writes.update(\n            self, lambda kind: _plainly(original, self, kind, *given, **named), result_type\n        )",
         "        return _plainly(original, self, result_type, *given, **named)", "title,move"),
        ("Django: all deletes", "        return recorder.writes.delete(self, execute, result_type)",
         "        return execute()", "delete_post,delete_at_once"),
        ("Django: all reads", "return recorder.reads.run(reads, self, execute, result_type)", "return execute()", "title,create"),
    ),
    *_django("query_writes.py")(
        ("Django: inserted rows", "        for write in self._inserted(compiler, rows, returning):\n", "        for write in ():\n", "create,comment,topics_create,get_or_create"),
        ("Django: upserts", "                yield Updated(meta.db_table, key, updates | self._tables.generated(model))", "                pass", "upsert_posts,number"),
        ("Django: generated columns of upserts", "yield Updated(meta.db_table, key, updates | self._tables.generated(model))", "yield Updated(meta.db_table, key, updates)", "upsert_ratings,rating_kind,rate_again"),
        ("Django: updated rows", "                if write is not None:\n                    self._note_row(write, model, using)\n", "", _POSTS),
        ("Django: updated rows of which nobody knows which", "                self.note(RowsChanged(table, changed), using)\n            for row", "                pass\n            for row", "update_by_aggregate"),
        ("Django: updates of keys", "                finally:\n                    self.note(RowsChanged(table, None), using)\n        with locked", "                finally:\n                    pass\n        with locked", "another_key,take_a_seat,free_seats"),
        ("Django: old values", "frozenset(changed) | generated, old, new)", "frozenset(changed) | generated, new, new)", _POSTS),
        ("Django: new values", "frozenset(changed) | generated, old, new)", "frozenset(changed) | generated, old, old)", _POSTS),
        ("Django: generated columns of updates", "frozenset(changed) | generated, old, new)", "frozenset(changed), old, new)", "rate_again,rate_all"),
        ("Django: columns that an expression changes", "            changed.add(column)\n            continue", "            continue", "count_up,count_up_one,rate_all,shout"),
        ("Django: values of an expression are not known", "        new.pop(column, None)\n        if hasattr", "        if hasattr", "count_up,count_up_one,rate_all"),
        ("Django: deleted rows", "self._note_row(Deleted(table, row[KEY], _by_value(model, row)), model, using)", "pass", "delete_post,delete_posts,fast_delete,delete_at_once"),
        ("Django: deleted rows of which nobody knows which", "                self.note(RowsChanged(table, None), using)\n            for row in rows or ():\n                self._note_row(Deleted", "                pass\n            for row in rows or ():\n                self._note_row(Deleted", "delete_by_subquery,comment"),
        ("Django: deletes of rows with keys of several columns", "                    self.note(RowsChanged(other, None), using)\n            return count", "                    pass\n            return count", "take_a_seat,remove_seats"),
    ),
    *_django("bulk_updates.py", "bulk_move,bulk_update")(
        ("Django: the value that bulk_update gives to each row", "        if known == key:", "        if True:"),
    ),
    *_django("commits.py")(
        ("Django: commits by hand", "        waiting = self._taken()\n        if not", "        waiting = []\n        if not", "by_hand"),
        ("Django: commits whose answer is lost", "            self._run([*self.hooks(), *self._taken()])\n            raise\n", "            raise\n", "a_commit_whose_answer_is_lost"),
        ("Django: statements without a transaction", "    elif connection.get_autocommit():\n        waiting()", "    elif connection.get_autocommit():\n        pass", "delete_at_once,rate,create"),
    ),
    # What both share.
    *_by(_DJANGO, 240, "core/database_reads.py")(
        ("questions by what they ask for", "                names.update(dict.fromkeys(shape_names(shape, asked)))\n", "", "create,move"),
        ("shapes that the store does not know", "                    new.add(shape)\n", "                    pass\n"),
        ("questions whose values are not known", "                    names[shape_name(shape)] = None\n", "                    pass\n", "count_up,rate_all,upsert_posts,update_by_aggregate,move_by_update"),
        ("rows by their keys", "                names.update(dict.fromkeys(row_names(table, keys[table])))\n", "                pass\n", _POSTS),
        ("rows of which nobody knows which", "                names[rows_name(table)] = None\n", "                pass\n", "update_by_subquery"),
        ("whole tables", "            if table in self._whole:\n                names[any_name(table)] = None\n", "", "count_up,by_hand"),
        ("everything", "            names[STAR] = None\n", "            pass\n", "title,comment"),
        ("names that everybody has", "{EVERY: None} if tables or self.why else {}", "{}", "raw"),
    ),
    *_by(_DJANGO, 240, "core/dependency_names.py")(
        ("names: any change", "    names = [STAR, any_name(write.table)]", "    names = [STAR]", "count_up,by_hand"),
        ("names: everything", "    names = [STAR, any_name(write.table)]", "    names = [any_name(write.table)]", "title,comment"),
        ("names: a table that was touched", "        return (*names, table_name(write.table))", "        return names", "raw_of_a_table"),
    ),
    # What another writes just then.
    *_test("django/old_rows.py", "django/test_dependency_writes.py")(
        ("Django: the lock before old values are read",
         '                    cursor.execute(f"DELETE FROM {quote(table)} WHERE 0 = 1")',
         "                    pass"),
    ),
    # What the store keeps, by all orders of a few steps.
    *_test("backends/sqlite/dependents.py", "backends/test_dependents.py")(
        ("unheard: what was written in a render, of which nobody depended", "        return Kept.CHANGED\n", "        return Kept.AS_IT_WAS\n"),
        ("known: names that pages depend on", "    for some in _parts(sorted(names)):\n        rows", "    for some in ():\n        rows"),
        ("a writer with older shapes gets the new ones", "    if (now.nonce, now.version) != (nonce, version):\n        return shapes(db)\n", ""),
    ),
    *_test("django/query_writes.py", "django/test_dependencies.py")(
        ("derived tables", "found += map(TableChanged", "found += map(lambda table: write"),
    ),
    # What SQLAlchemy reads.
    *_sqlalchemy("reading.py")(
        ("SQLAlchemy: SQL of the app's own is read", 'if kind_of(context.unicode_statement) in ("read", "write"):', "if False:", "raw sql,change a column"),
        ("SQLAlchemy: whole tables", "            reads.table(table)\n    ask(", "            pass\n    ask("),
    ),
    *_sqlalchemy("questions.py")(
        ("SQLAlchemy: questions of integers", "            reads.ask(table, kind, values)\n", "            pass\n"),
        ("SQLAlchemy: questions of other values", "            reads.questions(table, asked.columns, _equals(asked, context))\n", "            pass\n"),
        ("SQLAlchemy: each value of an IN", "for text in map(str, values)]", "for text in map(str, values[:1])]", "update by condition"),
        ("SQLAlchemy: values of this execution", "texts.append(str(value))", 'texts.append("1")'),
    ),
    *_sqlalchemy("rows.py")(
        ("SQLAlchemy: keys of rows", "            reads.rows(each.table, keys, each.columns)\n", "            pass\n"),
        ("SQLAlchemy: rows of fetchmany", "        note(self._reads, self._shown, rows)\n        return rows\n\n    def fetchall", "        return rows\n\n    def fetchall", "update by a subquery"),
        ("SQLAlchemy: rows of fetchall", "        rows = self._cursor.fetchall()\n        note(self._reads, self._shown, rows)\n", "        rows = self._cursor.fetchall()\n"),
    ),
    *_sqlalchemy("selects.py")(
        ("SQLAlchemy: what decides", "        columns = None if every else frozenset(self._deciding.get(name, ()))", "        columns = None if every else frozenset[str]()"),
        ("SQLAlchemy: columns of conditions and orders", "                self._expression(part)\n        self._added", "                pass\n        self._added"),
        ("SQLAlchemy: tables of FROM", "                self._asked.append((element, equalities.given.get(element, {})))", "                pass"),
        ("SQLAlchemy: what is computed", "            else:\n                self._expression(column)\n", "            else:\n                pass\n"),
        ("SQLAlchemy: columns without the key", "        if not has_key or (_picks(select)", "        if (_picks(select)"),
        ("SQLAlchemy: rows whose key is shown", "            self._shown.append(\n", "            print(\n"),
        ("SQLAlchemy: what GROUP BY and DISTINCT pick", "            elif _picks(selected.select):", "            elif False:", "update by a subquery"),
        ("SQLAlchemy: conditions of joins", "            self._expression(element.onclause)\n", "            pass\n"),
        ("SQLAlchemy: a star is every column", "        if id(selected.statement) not in self._exist:", "        if False:", "change a maker"),
        ("SQLAlchemy: orders by a name", "                self._all = True", "                pass", "update many,update by an expression"),
        ("SQLAlchemy: text() within a query", "        if not self._selecting(text) and not _CONSTANT.match(text):", "        if False:"),
        ("SQLAlchemy: columns of subqueries", "            for root in roots(column):", "            for root in roots(column) if table_of(column.table) is not None else ():", "update by condition"),
    ),
    *_sqlalchemy("equalities.py")(
        ("SQLAlchemy: an outer join restricts its inner side alone", "right if element.isouter else left | right", "left | right", "add a maker"),
        ("SQLAlchemy: OR is no conjunction", "isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:", "isinstance(condition, BooleanClauseList):"),
        ("SQLAlchemy: NOT is no equality", "        if operator not in (operators.eq, operators.is_, operators.in_op):", "        if operator not in (operators.eq, operators.ne, operators.is_, operators.in_op):", "add a maker"),
    ),
    # What SQLAlchemy writes.
    *_sqlalchemy("writing.py")(
        ("SQLAlchemy: SQL of the app's own is written", '        if kind_of(statement) == "write":', "        if False:", "raw sql"),
        ("SQLAlchemy: tables changed as a whole", "                    pending.innermost.add(TableChanged(table))", "                    pass", "update from another table,rename a tag"),
        ("SQLAlchemy: inserts", "            partial(inserted, connection.dialect, change, context, there=there)\n", "            lambda writes: None\n", "add an item,bulk insert"),
        ("SQLAlchemy: rows that upserts change", "            for write in found:\n                writes.add(write)\n        pending", "        pending", "upsert a tag"),
        ("SQLAlchemy: updates and deletes", "    for write in changed(old_rows, change, rows, parameters):", "    for write in ():", "change a column"),
        ("SQLAlchemy: released savepoints", "        pending.release(compiled.statement.ident)", "        pending.rollback_to(compiled.statement.ident)", "savepoints"),
    ),
    *_sqlalchemy("row_writes.py")(
        ("SQLAlchemy: rows of which nobody knows which", "            yield from unknown_rows(change)\n            return", "            return", "autocommit by condition"),
        ("SQLAlchemy: updated rows of several parameters", "for key, values in asked]", "for key, values in asked[:1]]", "update many,update many by a parameter"),
        ("SQLAlchemy: deleted rows", "            else (_deleted(change.table, row),)", "            else ()", "delete an item,delete a review"),
        ("SQLAlchemy: foreign keys that cascade", "        for cascade in cascades_of(change.table):", "        for cascade in ():", "delete an item,delete a review,add an item with everything"),
        ("SQLAlchemy: a key that is set", "        yield RowsChanged(change.name, None)\n        return\n    old", "        return\n    old", "rename a tag,tag another item"),
        ("SQLAlchemy: old values", "    yield Updated(change.name, _row_key(change.table, row), columns, old, new)", "    yield Updated(change.name, _row_key(change.table, row), columns, new, new)", "update by condition,move a review"),
        ("SQLAlchemy: new values", "    yield Updated(change.name, _row_key(change.table, row), columns, old, new)", "    yield Updated(change.name, _row_key(change.table, row), columns, old, old)", "update by condition,move a review"),
        ("SQLAlchemy: values of an expression are not known", "    new = {name: value for name, value in old.items() if name not in columns}", "    new = dict(old)", "update by an expression"),
        ("SQLAlchemy: rows that cascades delete", "            yield _deleted(table, row)\n        else", "            pass\n        else", "delete an item,tag or untag"),
        ("SQLAlchemy: rows that cascades set to NULL", "            yield Updated(name, _row_key(table, row), set(cascade.columns), old, new)", "            pass", "delete a review,move a review"),
        ("SQLAlchemy: cascades of cascades", "            yield from _cascaded(old_rows, each, rows, seen)\n    elif", "            pass\n    elif", "delete an item,move a review,add an item with everything"),
    ),
    *_sqlalchemy("writes.py")(
        ("SQLAlchemy: what an update of a key cascades to", "    key = _key(compiled, statement, table)\n    whole = frozenset(tables_below(table, columns))", "    key = _key(compiled, statement, table)\n    whole = frozenset[str]()", "rename a tag"),
        ("SQLAlchemy: columns that an update sets", "            columns.add(column.name)\n    if said", "            pass\n    if said", "change a column"),
    ),
    *_sqlalchemy("transactions.py")(
        ("SQLAlchemy: commits", "    finally:  # one that failed may have happened\n        tell(writes, announced)", "    finally:\n        pass"),
    ),
    *_sqlalchemy("recorder.py")(
        ("SQLAlchemy: autocommit", "    if commits or autocommits(connection):", "    if commits:", "autocommit,autocommit by condition"),
        ("SQLAlchemy: statements of an app", "(wrote := before(connection, statement, context))", "(wrote := False)"),
    ),
    # SQLite's lock is of all tables, and none but the first can be changed.
    *_test("sqlalchemy/writes.py", "sqlalchemy/test_writing.py")(
        ("SQLAlchemy: tables of UPDATE … FROM", "    if others or statement._prefixes", "    if statement._prefixes"),
    ),
    # Wrong only where the SELECT has a parameter called like a column that the server fills.
    *_test("sqlalchemy/writes.py", "sqlalchemy/test_writing.py")(
        ("SQLAlchemy: rows of a SELECT", 'if getattr(statement, "select", None) is not None or statement._multi_values:', "if statement._multi_values:"),
    ),
    # Without it too much is renewed, and nothing is wrong.
    *_test("django/query_writes.py", "django/test_dependency_writes.py")(
        ("Django: keys out of RETURNING", "            if told:\n                key = listed[number][at]\n            elif", "            if"),
    ),
    *_test("sqlalchemy/row_writes.py", "sqlalchemy/test_writing.py")(
        ("SQLAlchemy: keys of inserted rows", "        keys = rows if len(rows) == len(parameters) else keys", "        pass"),
    ),
    *_test("sqlalchemy/old_rows.py", "sqlalchemy/test_transactions.py")(
        ("SQLAlchemy: without a lock old rows are not known", "        if not self._lock(change.table):\n            return None\n", ""),
    ),
    *_test("sqlalchemy/transactions.py", "sqlalchemy/test_transactions.py")(
        ("SQLAlchemy: a commit that failed may have happened", "    finally:  # one that failed may have happened\n        tell(writes, announced)", "    except ZeroDivisionError:\n        pass\n    else:\n        tell(writes, announced)"),
        ("SQLAlchemy: what another process prepared", 'elif (args and args[0]) or kwargs.get("is_prepared"):', "elif False:"),
    ),
    *_test("sqlalchemy/recorder.py", "sqlalchemy/test_reading.py")(
        ("SQLAlchemy: objects that were held", "if held and reads is not None:", "if False:"),
    ),
    *_test("sqlalchemy/raw_cursors.py", "sqlalchemy/test_raw_cursors.py")(
        ("SQLAlchemy: cursors of the driver are read", 'if reads is not None and kind in ("read", "write"):', "if False:"),
        ("SQLAlchemy: cursors of the driver write", 'if kind == "write" and listening() and tracked.get():', "if False:"),
    ),
)  # fmt: skip
