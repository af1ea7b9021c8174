"""Which request headers an app looked at while it rendered a page, whatever its Vary says.

An app that allows other sites to read its answers (CORS) looks at ``Origin``, and often says
``Vary: Origin`` only when it answers one. A page whose render looked at a header in `LEARNED`
depends on it, also when the header was absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

#: Headers that a page varies by as soon as its render has looked at them, by their CGI names.
LEARNED: Final[Mapping[str, str]] = {"HTTP_ORIGIN": "origin"}


class RecordedEnviron(dict[str, Any]):
    """A WSGI environ that tells ``note`` the name of each header in `LEARNED` that is looked at.

    To copy it, or to go through all of it, is no look at any: frameworks do so for themselves.
    """

    def __init__(self, environ: Mapping[str, Any], note: Callable[[str], None]) -> None:
        super().__init__(environ)
        self._note = note

    def _look(self, key: object) -> None:
        if key in LEARNED:
            self._note(LEARNED[str(key)])

    def __getitem__(self, key: str) -> Any:
        self._look(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._look(key)
        return super().__contains__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self._look(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        self._look(key)
        return super().pop(key, *default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        self._look(key)
        return super().setdefault(key, default)
