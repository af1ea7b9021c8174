"""What has been learned about a URL, as it is noted in the store."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Signpost:
    """What was learned about a URL. ``fingerprint`` names the policy of its view, if that was
    learned; ``undeclared`` that its pages are stored though nobody declared them. ``http`` and
    ``nominated`` are for what is stored from visitors' own requests: that something is, and the
    headers that its Vary fields have named."""

    vary: tuple[str, ...] = ()
    fingerprint: str = ""
    undeclared: bool = False
    vary_cookie: bool = False
    http: bool = False
    nominated: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether pages of the URL are, or may be."""
        return bool(self.http or self.undeclared or self.fingerprint)

    def encode(self) -> bytes:
        return json.dumps(dataclasses.asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes | None) -> Signpost | None:
        if data is None:
            return None
        try:
            raw = json.loads(data)
            vary = tuple(str(name) for name in raw["vary"])
            nominated = tuple(str(name) for name in raw.get("nominated", ()))
            return cls(
                vary, str(raw["fingerprint"]), bool(raw["undeclared"]), bool(raw["vary_cookie"]),
                bool(raw.get("http")), nominated,
            )  # fmt: skip
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None


NO_SIGNPOST: Final = Signpost()
