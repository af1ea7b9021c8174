"""Which paths were met already."""

from isgware.routing.seen_paths import Seen


def test_a_path_is_new_once() -> None:
    seen = Seen()
    paths = [f"/posts/{number}" for number in range(5_000)]
    assert all(seen.add(path) for path in paths)
    assert not any(seen.add(path) for path in paths)


def test_beyond_the_limit_the_table_grows_no_further_and_forgets() -> None:
    seen = Seen(1 << 10)
    assert all(seen.add(f"/{number}") for number in range(20_000))
    assert len(seen._slots) == 1 << 11
    assert not seen.add("/19999")
    assert seen.add("/0")


def test_it_tells_what_was_met_without_remembering_more() -> None:
    seen = Seen()
    for number in range(3_000):
        seen.add(f"/posts/{number}")
    assert all(f"/posts/{number}" in seen for number in range(3_000))
    assert not any(f"/other/{number}" in seen for number in range(3_000))
