"""Where pages live. `SQLiteCache` is also a cachelib cache in its own right."""

from .sqlite.cache import SQLiteCache

__all__ = ["SQLiteCache"]
