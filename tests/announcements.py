"""A listener that wants to know of commits beforehand, for the tests of all recorders."""

from contextlib import contextmanager

from isgware.management import record_writes


class Announcements:
    """``events``: ``(what, writes or tokens)`` in order. ``seen`` is called at each, and what it
    returns is kept: what another connection sees of the database at that time."""

    announces = True

    def __init__(self, seen=lambda: None):
        self.events = []
        self.seen = []
        self._look = seen
        self._count = 0

    def announce(self, writes):
        self._count += 1
        self._note("announced", writes)
        return f"token {self._count}"

    def __call__(self, writes, intents=()):
        self._note("told" if writes else "withdrawn", writes or list(intents))
        self.ended = list(intents)

    def _note(self, what, of):
        self.events.append((what, of))
        self.seen.append(self._look())

    def take(self):
        """What happened since the last call, without the writes."""
        found, self.events = [what for what, _ in self.events], []
        return found


@contextmanager
def announcing(seen=lambda: None):
    listener = Announcements(seen)
    record_writes.listen(listener)
    try:
        yield listener
    finally:
        record_writes.unlisten(listener)
