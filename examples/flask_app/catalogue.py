"""The records: what ``pycountry`` and ``tzdata`` ship, as one kind of item.

An item has a kind and a code, which make its URL and its tag: ``/country/FR``, ``country:FR``.
"""

import gettext
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import pycountry

KINDS = {
    "country": "Countries",
    "language": "Languages",
    "currency": "Currencies",
    "subdivision": "Subdivisions",
}
LANGUAGES = ("en", "de", "es", "fr", "ja")  # those that /names speaks


@dataclass(frozen=True, kw_only=True)
class Item:
    kind: str
    code: str
    name: str
    facts: Mapping[str, str]

    @property
    def path(self) -> str:
        return f"/{self.kind}/{self.code}"

    @property
    def tag(self) -> str:
        return f"{self.kind}:{self.code}"


@cache
def items(kind: str) -> tuple[Item, ...]:
    """All items of a kind, by name."""
    return tuple(sorted(_read(kind).values(), key=lambda item: item.name.casefold()))


def find(kind: str, code: str) -> Item | None:
    return _read(kind).get(code)


def related(item: Item) -> tuple[Item, ...]:
    """A country's subdivisions; a subdivision's country."""
    if item.kind == "country":
        return _subdivisions().get(item.code, ())
    if item.kind == "subdivision":
        country = find("country", item.code.partition("-")[0])
        return (country,) if country else ()
    return ()


def search(words: str, limit: int = 50) -> list[Item]:
    wanted = words.casefold()
    found = (i for kind in KINDS for i in items(kind) if wanted in i.name.casefold())
    return [item for _, item in zip(range(limit), found, strict=False)]


def country_names(language: str) -> list[tuple[Item, str]]:
    """Each country and its name in ``language``."""
    translation = gettext.translation(
        "iso3166-1", pycountry.LOCALES_DIR, languages=[language], fallback=True
    )
    named = [(item, translation.gettext(item.name)) for item in items("country")]
    return sorted(named, key=lambda pair: pair[1])


def times(now: datetime) -> list[tuple[Item, list[tuple[str, datetime]]]]:
    """Each country and the time that its zones show at ``now``."""
    zones = _zones()
    return [
        (item, [(zone, now.astimezone(ZoneInfo(zone))) for zone in zones[item.code]])
        for item in items("country")
        if item.code in zones
    ]


def utc_now() -> datetime:
    return datetime.now(UTC)


@cache
def _read(kind: str) -> dict[str, Item]:
    match kind:
        case "country":
            made = [_item(kind, r.alpha_2, r) for r in pycountry.countries]
        case "language":  # those with a two-letter code: the others are some seven thousand
            two = (r for r in pycountry.languages if hasattr(r, "alpha_2"))
            made = [_item(kind, r.alpha_2, r) for r in two]
        case "currency":
            made = [_item(kind, r.alpha_3, r) for r in pycountry.currencies]
        case "subdivision":
            made = [_item(kind, r.code, r) for r in pycountry.subdivisions]
        case _:
            raise LookupError(kind)
    return {item.code: item for item in made}


LABELS = {
    "official_name": "Official name",
    "common_name": "Common name",
    "alpha_2": "Two-letter code",
    "alpha_3": "Three-letter code",
    "numeric": "Number",
    "flag": "Flag",
    "type": "Type",
    "scope": "Scope",
    "parent_code": "Part of",
    "code": "Code",
}


def _item(kind: str, code: str, record: Any) -> Item:
    facts = {label: getattr(record, field, None) for field, label in LABELS.items()}
    return Item(
        kind=kind,
        code=code,
        name=record.name,
        facts={label: str(value) for label, value in facts.items() if value},
    )


@cache
def _subdivisions() -> dict[str, tuple[Item, ...]]:
    by_country = defaultdict(list)
    for item in items("subdivision"):
        by_country[item.code.partition("-")[0]].append(item)
    return {code: tuple(found) for code, found in by_country.items()}


@cache
def _zones() -> dict[str, list[str]]:
    """Country code to its time zones, from the table beside the zones themselves."""
    zones = defaultdict(list)
    table = files("tzdata").joinpath("zoneinfo/zone.tab").read_text(encoding="utf-8")
    for line in table.splitlines():
        if not line.startswith("#"):
            code, _, zone, *_ = line.split("\t")
            zones[code].append(zone)
    return dict(zones)
