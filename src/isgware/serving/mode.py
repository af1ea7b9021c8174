"""Which mode an ISG is in: ``on``, ``off``, ``report`` or ``develop``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_SAID: Final[dict[Any, str]] = {True: "on", False: "off", "report": "report"}


class Mode:
    """The option ``enabled``, or else the result of ``ask`` at its first use: only then a framework
    knows whether it is under test."""

    __slots__ = ("_ask", "_known")

    def __init__(self, enabled: bool | str | None, ask: Callable[[], str]) -> None:
        self._ask = ask
        self._known = "" if enabled is None else _SAID[enabled]

    def __call__(self) -> str:
        if not self._known:
            self._known = self._ask()
        return self._known

    def peek(self) -> str:
        """The mode as it would be now, for those who ask before the first visit."""
        return self._known or self._ask()
