"""cachelib caches for tests."""

from __future__ import annotations

from typing import Any

from cachelib import BaseCache


class Recorded(BaseCache):
    """Keeps values as they are, and writes down what it is asked."""

    def __init__(self) -> None:
        super().__init__(default_timeout=1)
        self.values: dict[str, Any] = {}
        self.asked: list[tuple[Any, ...]] = []

    def get(self, key: str) -> Any:
        self.asked.append(("get", key))
        return self.values.get(key)

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        self.asked.append(("set", key, type(value), timeout))
        self.values[key] = value
        return True

    def delete(self, key: str) -> bool:
        self.asked.append(("delete", key))
        return self.values.pop(key, None) is not None
