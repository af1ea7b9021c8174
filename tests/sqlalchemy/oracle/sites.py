"""What answers for the pages of the oracle."""

from sqlalchemy.orm import Session

from isgware.core.database_reads import DatabaseReads
from isgware.core.dependency_names import names_of_writes, split
from isgware.management import record_writes
from isgware.render_context import Rendering, current, database
from isgware.sqlalchemy import recorder


def bare(engine, page):
    """What a page shows now, without isgware."""
    with Session(engine) as session:
        return repr(page(session))


class PaperSite:
    """Names alone: no store, no concurrency. Pages are kept with the names of what they read, and
    go with the names of what was written."""

    def __init__(self, engine, pages):
        recorder.install()
        self.engine, self.pages = engine, pages
        self.kept, self.shapes, self.told = {}, {}, []
        record_writes.listen(self._changed)

    def close(self):
        record_writes.unlisten(self._changed)

    def _changed(self, writes):
        self.told += writes
        names = names_of_writes(writes, self.shapes)
        for path, (_, mine) in list(self.kept.items()):
            if not mine.isdisjoint(names):
                del self.kept[path]

    def get(self, path):
        """The body, and whether it was kept as fresh."""
        if path in self.kept:
            return self.kept[path][0], True
        reads = DatabaseReads()
        rendering, reading = current.set(Rendering(True)), database.set(reads)
        try:
            body = bare(self.engine, self.pages[path])
        finally:
            current.reset(rendering)
            database.reset(reading)
        found = reads.finished(self.shapes)
        for shape in found.shapes:
            self.shapes.setdefault(shape.table, set()).add(shape)
        self.kept[path] = body, frozenset(split(found.names))
        return body, False

    def texts(self, path):
        reads = DatabaseReads()
        rendering, reading = current.set(Rendering(True)), database.set(reads)
        try:
            bare(self.engine, self.pages[path])
        finally:
            current.reset(rendering)
            database.reset(reading)
        return reads.finished({}).texts
