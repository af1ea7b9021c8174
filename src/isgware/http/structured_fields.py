"""Structured-field dictionaries (RFC 9651), as far as targeted cache fields need them.

Strict on purpose: by section 4.2 a field that fails to parse anywhere is ignored as a whole.
"""

from __future__ import annotations

import re
from typing import Final

_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*")
_NUMBER = re.compile(r"(-?)([0-9]{1,12}\.[0-9]{1,3}|[0-9]{1,15})(?![0-9.])")
_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~:/0-9A-Za-z-]*")
_BYTES = re.compile(r":[A-Za-z0-9+/=]*:")
_BOOLEAN = re.compile(r"\?([01])")
_DATE = re.compile(r"@-?[0-9]{1,15}(?![0-9.])")
_SPACE = re.compile(r" *")
_OWS = re.compile(r"[ \t]*")


class Token(str):
    """A value that was written without quotes."""

    __slots__ = ()


#: Numbers with a fraction are floats. Byte sequences and dates are `None`: no directive takes them.
#: An inner list is a tuple of its members.
Item = bool | int | float | str | Token | None | tuple[object, ...]


class _Malformed(ValueError):
    pass


def dictionary(text: str) -> dict[str, Item] | None:
    """Members by key, without parameters; ``None`` if the field does not parse (section 4.2.2).

    A key without a value is ``True``; the last of a repeated key counts.
    """
    try:
        return _Reader(text.strip(" ")).dictionary()
    except _Malformed:
        return None


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def dictionary(self) -> dict[str, Item]:
        found: dict[str, Item] = {}
        while self._at < len(self._text):
            key = self._take(_KEY)[0]
            value: Item = self._member() if self._skip("=") else True
            self._parameters()
            found.pop(key, None)
            found[key] = value
            self._take(_OWS)
            if self._at == len(self._text):
                break
            if not self._skip(","):
                raise _Malformed
            self._take(_OWS)
            if self._at == len(self._text):
                raise _Malformed  # a trailing comma
        return found

    def _member(self) -> Item:
        if not self._skip("("):
            return self._item()
        members: list[object] = []
        while True:
            self._take(_SPACE)
            if self._skip(")"):
                return tuple(members)
            members.append(self._item())
            self._parameters()
            if self._text[self._at : self._at + 1] not in (" ", ")"):
                raise _Malformed

    def _parameters(self) -> None:
        while self._skip(";"):
            self._take(_SPACE)
            self._take(_KEY)
            if self._skip("="):
                self._item()

    def _item(self) -> Item:
        start = self._text[self._at : self._at + 1]
        if start == "-" or start.isdigit():
            number = self._take(_NUMBER)
            return float(number[0]) if "." in number[0] else int(number[0])
        if start == '"':
            return re.sub(r"\\(.)", r"\1", self._take(_STRING)[1])
        if start == "?":
            return self._take(_BOOLEAN)[1] == "1"
        if start in (":", "@"):
            self._take(_BYTES if start == ":" else _DATE)
            return None
        return Token(self._take(_TOKEN)[0])

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise _Malformed
        self._at = match.end()
        return match

    def _skip(self, char: str) -> bool:
        if self._text.startswith(char, self._at):
            self._at += 1
            return True
        return False


__all__: Final = ["Item", "Token", "dictionary"]
