"""Log lines about decisions, and logging to stderr for apps that have not configured it."""

from __future__ import annotations

import logging
from typing import Any, Final

from ..core.cache_key import Visitor
from ..serving.answer import Answer

log: Final = logging.getLogger("isgware")


def log_decision(visitor: Visitor, answer: Answer | None, now: float, took: float) -> None:
    """One line per decision, for ``debug=True``. ``took``: seconds it took to decide."""
    if answer is None:
        log.info("%s %r: not declared, %.0f us", visitor.method, visitor.path, took * 1e6)
        return
    entry = answer.page.entry if answer.page else None
    log.info(
        "%s %r: %s%s key=%s age=%s route=%s %.0f us",
        visitor.method,
        visitor.path,
        answer.label,
        f" ({answer.detail})" if answer.detail else "",
        entry.key[:12] if entry else "-",
        answer.page.age(now) if answer.page else "-",
        entry.route if entry else "-",
        took * 1e6,
    )


def log_to_stderr() -> None:
    """Show log lines that were asked for, if logging is not configured."""
    if log.level == logging.NOTSET and not log.isEnabledFor(logging.INFO):
        log.setLevel(logging.INFO)
    if not log.hasHandlers():
        log.addHandler(_LastResort())


class _LastResort(logging.StreamHandler[Any]):
    """Silent as soon as logging is configured."""

    def handle(self, record: logging.LogRecord) -> bool:
        return False if logging.getLogger().handlers else bool(super().handle(record))
