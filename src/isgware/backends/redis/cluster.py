"""A Redis Cluster, through the one node that has the store's slot.

A store lies in one slot, so a plain client of one node is enough. redis-py's cluster client is not
used: after a failure it asks node after node for the slots, and waits for each node that is gone.
Any node knows which one has the slot. A new client asks one of them, the next client another; and
clients are replaced after a failure (see `RedisBackend`), so a migrated slot and a dead node are
found within one or two probes.
"""

from __future__ import annotations

import importlib
from typing import Any

from .pools import NAMESPACE, close, library, like

Place = tuple[str, int]


class Cluster:
    """Makes clients of the node that has the slot of ``namespace``, in ``client``'s cluster."""

    def __init__(self, client: Any, timeout: float, namespace: str = NAMESPACE) -> None:
        nodes = client.get_nodes()
        self._pool = client.get_redis_connection(nodes[0]).connection_pool
        self._remapped = client.nodes_manager.remap_host_port
        self._seeds: list[Place] = [(node.host, node.port) for node in nodes]
        self._known = self._seeds
        self.timeout = timeout
        self.limit: int = self._pool.max_connections
        crc: Any = importlib.import_module("redis.crc")
        self._slot: int = crc.key_slot(namespace.encode())

    def __call__(self) -> Any:
        host, port = self._owner()
        return library().Redis(connection_pool=like(self._pool, self.timeout, host, port))

    def _owner(self) -> Place:
        """Asks one node. Half the time is enough for so little, and leaves the rest for what the
        client is then needed for."""
        redis = library()
        host, port = self._known[0]
        self._known = [*self._known[1:], (host, port)]
        asked = redis.Redis(connection_pool=like(self._pool, self.timeout / 2, host, port))
        try:
            ranges = asked.execute_command("CLUSTER SLOTS")
        finally:
            close(asked)
        owner, known = None, []
        for first, last, *nodes in ranges:
            places = [self._place(node, host) for node in nodes]
            known += places
            if first <= self._slot <= last:
                owner = places[0]
        if owner is None:
            raise redis.ConnectionError(f"Nobody in the cluster has slot {self._slot}.")
        self._known = list(dict.fromkeys([*known, *self._seeds]))
        return owner

    def _place(self, node: Any, asked: str) -> Place:
        """A node that does not know its own address has the address at which it was asked."""
        place: Place = self._remapped((node[0] or b"").decode() or asked, int(node[1]))
        return place
