"""Values as people read them."""

import pytest

from isgware.formatting import duration, printable, size


@pytest.mark.parametrize(
    ("text", "shown"), [("/a b", "/a b"), ("\x1b[2J\r\n", r"\x1b[2J\r\n"), ("é\u202e", r"é\u202e")]
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"),
        (0, "0 s"),
        (119, "119 s"),
        (-300, "-5 min"),
        (7200, "2 h"),
        (31_536_000, "365 d"),
    ],
)
def test_duration(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (1_500, "1.5 kB"), (2_000_000, "2.0 MB"), (5e9, "5.0 GB")]
)
def test_size(count: float, shown: str) -> None:
    assert size(count) == shown
