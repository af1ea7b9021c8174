"""What a clean room reads and what commits tell, as lists of texts and writes."""

from contextlib import contextmanager

from isgware.core.database_reads import DatabaseReads
from isgware.management import record_writes
from isgware.render_context import Rendering, current, database
from isgware.sqlalchemy import recorder


@contextmanager
def clean_room():
    """Yields a list that has what was read once the block has ended."""
    reads, found = DatabaseReads(), []
    rendering, reading = current.set(Rendering(True)), database.set(reads)
    try:
        yield found
    finally:
        current.reset(rendering)
        database.reset(reading)
        found += reads.finished({}).texts.splitlines()


@contextmanager
def telling():
    """Yields ``told()``: what was told since it was called last."""
    recorder.install()
    batches = []

    def listener(batch):
        batches.append(batch)

    record_writes.listen(listener)

    def told():
        found = [write for batch in batches for write in batch]
        batches.clear()
        return found

    try:
        yield told
    finally:
        record_writes.unlisten(listener)
