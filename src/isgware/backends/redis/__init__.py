"""``redis://``: pages, leases, invalidations and the catalogue in one Redis, for many hosts."""

from typing import Any, Final

#: The schemes of ``store=`` that mean Redis or Valkey, each with what redis-py calls it.
SCHEMES: Final = {
    "redis": "redis", "rediss": "rediss", "unix": "unix", "redis+unix": "unix",
    "valkey": "redis", "valkeys": "rediss",
}  # fmt: skip


def is_client(it: Any) -> bool:
    """Whether it is a client of redis-py, told without importing that."""
    return any(
        kind.__module__.partition(".")[0] in ("redis", "valkey") for kind in type(it).__mro__
    ) and callable(getattr(it, "evalsha", None))
