"""Where pages live. `SQLiteCache` is also a cachelib cache in its own right."""

from typing import TYPE_CHECKING

__all__ = ["SQLiteCache"]

if TYPE_CHECKING:
    from .sqlite.cache import SQLiteCache
else:

    def __getattr__(name: str) -> object:
        """On use only: who does not use it need not load cachelib."""
        if name != "SQLiteCache":
            raise AttributeError(f"module 'isgware.backends' has no attribute {name!r}")
        from .sqlite.cache import SQLiteCache

        return SQLiteCache
