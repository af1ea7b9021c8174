"""What a Redis is told while a test looks."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.stores import Redis


class Told(NamedTuple):
    """A command. ``by`` is the client's address, or ``lua`` for one that a script gave."""

    by: str
    words: list[str]

    @property
    def name(self) -> str:
        return self.words[0].upper()

    @property
    def keys(self) -> set[str]:
        """The kinds of our keys that it names: ``page``, ``note``, ``state``, …"""
        ours = (each.partition("}:")[2] for each in self.words if each.startswith("isg:{"))
        return {rest.partition(":")[0] for rest in ours}


@contextmanager
def watching(server: Redis) -> Iterator[Callable[[], list[Told]]]:
    """Call it for all commands that the server was told since it was last called."""
    client = server.client(decode_responses=True)
    with client.monitor() as monitor, server.client() as own:
        addresses = set()

        def told() -> list[Told]:
            mark, found = secrets.token_hex(8), []
            own.echo(mark)
            for heard in monitor.listen():
                by = "lua" if heard["client_type"] == "lua" else heard["client_port"]
                words = heard["command"].split(" ")
                if words[-1] == mark:
                    addresses.add(by)
                    return found
                if by not in addresses:
                    found.append(Told(by, words))
            raise AssertionError("the server is gone")

        told()
        yield told


def writes(server: Redis, commands: list[Told]) -> list[Told]:
    """Those of ``commands`` that write, by what the server itself says of them."""
    client: Any = server.client(decode_responses=True)
    flags = {
        name: client.execute_command("COMMAND INFO", name)[0]
        for name in {each.name for each in commands}
    }
    assert all(flags.values())
    return [each for each in commands if "write" in str(flags[each.name])]
