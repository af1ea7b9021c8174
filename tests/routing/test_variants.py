"""Variants as parts of keys, of stored pages and of jobs."""

from __future__ import annotations

import pytest

from isgware.core.cache_key import Request, Visitor, is_variant
from isgware.core.stored_page import decode, encode
from isgware.regeneration.shared_jobs import decode_job, encode_job
from isgware.routing.variants import VARIANTS
from tests.core.making import an_entry


def test_variants_are_part_of_every_key_and_no_two_lists_of_them_are_one() -> None:
    def key(*variants: tuple[str, str], **more: tuple[tuple[str, str], ...]) -> str:
        return Request("http", "h", "", "/", variants=variants, **more).key()

    made = [
        key(), key(("session:a", "")), key(("session:a", "b")), key(("session:ab", "")),
        key(("user:a", "b")), key(("session:a", "b"), ("user:a", "b")), key(cookies=(("a", "b"),)),
        key(headers=(("a", "b"),)), key(("a", "b")),
    ]  # fmt: skip
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    ("value", "made"),
    [("", True), ("de", True), ("é" * 64, True), ("x" * 65, False), ("a\0", False), (None, False),
     (1, False), (b"de", False)],
)  # fmt: skip
def test_a_value_is_a_short_printable_string(value: object, made: bool) -> None:
    assert is_variant(value) is made


def test_a_stored_page_and_a_job_keep_their_variants() -> None:
    request = Request("http", "h", "", "/", variants=(("session:lang", "dé"),))
    entry = an_entry(request=request, key=request.key())
    kept = decode(encode(entry), entry.key)
    assert kept is not None
    assert kept.request == request
    job = decode_job(encode_job("k", request))
    assert job is not None
    assert job[1].memo[VARIANTS] == {"session:lang": "dé"}
    assert isinstance(job[1], Visitor)
