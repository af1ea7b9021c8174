"""Which request headers an app looked at while it rendered a page, whatever its Vary says.

An app that allows other sites to read its answers (CORS) looks at ``Origin``, and often says
``Vary: Origin`` only when it answers one. A page whose render looked at a header in `LEARNED`
depends on it, also when the header was absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Headers that a page varies by as soon as its render has looked at them, by their CGI names.
LEARNED: Final[Mapping[str, str]] = {"HTTP_ORIGIN": "origin"}
