"""A short run of every fuzz target, from seeds and whatever was found before."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.found import FOUND
from tests.fuzz.targets import SEEDS, TARGETS

#: What a decoder may stumble over, put in place of a few bytes of a seed.
PIECES = (
    b"\x00", b"\xff", b"\n", b"\r", b"]", b"[", b'"', b"\\u0100", b"\\ud800", b"null", b"1e400",
    b"-1", b"9" * 30, b"NaN", b"Infinity", b"[[", b"{}", b"%00", b"%2e%2e", b"//", b";", b",", b"=",
    b"+99999999999999999999", b"[:::]", b"utm_x=1", b"%75tm_", b"*",
)  # fmt: skip


def mutated(seed: bytes, chance: random.Random) -> bytes:
    """``seed`` with a few of its bytes exchanged, doubled, moved or gone."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(data))
        end = min(len(data), start + chance.choice((0, 1, 1, 2, 8)))
        data[start:end] = chance.choice((*PIECES, bytes(data[start:end]) * 2, b""))
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_what_they_say(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_a_thousand_changed_seeds_break_no_promise(name: str) -> None:
    chance = random.Random(name)  # the same each time; `tools/fuzz.py` looks further
    for _ in range(1_000):
        data = mutated(chance.choice(SEEDS[name]), chance)
        try:
            TARGETS[name](data)
        except Exception as error:
            raise AssertionError(f"{name}: {data!r}") from error


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, deadline=None, database=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_break_no_promise(name: str, data: bytes) -> None:
    TARGETS[name](data)


@pytest.mark.parametrize(
    ("name", "data"), [pytest.param(*case, id=id) for id, case in FOUND.items()]
)
def test_what_was_found_stays_found(name: str, data: bytes) -> None:
    TARGETS[name](data)
