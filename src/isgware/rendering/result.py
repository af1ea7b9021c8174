"""The results of a render: a page, an answer that is not stored, a failure, or an unknown one."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ..core.storable import Response
from ..core.stored_page import Entry
from ..storage.process_cache import Page

if TYPE_CHECKING:
    from ..backends.dependents import Depending
    from ..core.depended import Depended


_NO_ENCODINGS: Final[Mapping[str, bytes]] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """A page was made and stored. ``learned``: headers that it varies by; ``stored``: the store has
    it, too; ``found``: another render had stored it already; ``elsewhere``: another process did,
    while this one waited."""

    page: Page
    learned: tuple[str, ...] = ()
    stored: bool = True
    found: bool = False
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The app's answer may not be stored. ``withdraws``: because it is personal, so a stored page
    may not be served any more either. ``text``: more for people. ``replan``: the page is declared
    in another way, or no longer, so plan again. ``seconds``: how long the render took."""

    reason: str
    withdraws: bool = False
    text: str = ""
    replan: bool = False
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """The app raised, or answered a server error. ``proven``: its route has worked before.
    ``personal``: the response must not be sent to several visitors. ``seconds``: of its render."""

    reason: str
    response: Response | None = None
    error: BaseException | None = None
    proven: bool = False
    personal: bool = False
    seconds: float = field(default=0.0, compare=False)

    def __str__(self) -> str:
        """The reason; with the exception, where the framework made an answer of it, and the last
        line of code that it came from."""
        error = self.error
        if error is None:
            return self.reason
        said = f"{type(error).__name__}: {error}"
        text = self.reason if said in self.reason else f"{self.reason}; {said}"
        last = traceback.extract_tb(error.__traceback__)[-1:]
        return text + "".join(f" ({Path(at.filename).name}:{at.lineno}: {at.line})" for at in last)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another process is rendering, or has given up: the result is not known here."""


Outcome = Rendered | Refused | Failed | Elsewhere


class Made(NamedTuple):
    """A page that may be stored. ``said``: the policy of the decorator that ran, if decorators are
    learned. ``default``: the ``ISG(revalidate=)`` that made the page storable, if nothing else did.
    ``encodings``: those of its body, after `finish`. ``replaces``: the page that it replaces;
    ``version``: that one as a version for the history; ``unchanged``: the two are the same.
    ``depended``: its dependencies, as it keeps them when it is stored, and ``depending``: as the
    store needs them. ``own_writes``: see `Dependencies.past_own_writes`."""

    entry: Entry
    learned: tuple[str, ...]
    declared: bool
    said: str
    default: str
    encodings: Mapping[str, bytes] = _NO_ENCODINGS
    pieces: tuple[int, ...] = ()
    depended: Depended | None = None
    depending: Depending | None = None
    own_writes: tuple[int, int] = (0, 0)
    replaces: Entry | None = None
    version: bytes = b""
    unchanged: bool = False
