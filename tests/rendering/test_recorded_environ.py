"""The environ of a clean room: which headers a render looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from isgware.recording import Recording
from isgware.render_context import Rendering
from isgware.rendering.callers import Callers
from isgware.rendering.clean_room import MARK
from isgware.rendering.recorded_environ import RecordedEnviron

Environ = dict[str, Any]


CALLERS = Callers(frozenset(), frozenset())


def recorded(look: Callable[[Environ], object], **environ: str) -> list[str]:
    rendering = Rendering(True)
    look(RecordedEnviron({**environ, MARK: rendering}, Recording(), CALLERS))
    return list(rendering.headers_read)


@pytest.mark.parametrize("environ", [{}, {"HTTP_ORIGIN": "https://a.test"}], ids=["absent", "set"])
@pytest.mark.parametrize(
    "look",
    [
        pytest.param(lambda environ: environ.get("HTTP_ORIGIN"), id="get"),
        pytest.param(lambda environ: "HTTP_ORIGIN" in environ, id="in"),
        pytest.param(lambda environ: environ.pop("HTTP_ORIGIN", None), id="pop"),
        pytest.param(lambda environ: environ.setdefault("HTTP_ORIGIN", ""), id="setdefault"),
    ],
)
def test_origin_is_looked_at(look: Callable[[Environ], object], environ: dict[str, str]) -> None:
    assert set(recorded(look, **environ)) == {"origin"}


@pytest.mark.parametrize("look", [list, dict.items, lambda environ: environ.copy()])
def test_to_go_through_all_is_no_look_at_any(look: Callable[[Environ], object]) -> None:
    assert recorded(look, HTTP_ORIGIN="https://a.test") == []


def test_an_item_that_is_absent_was_looked_at() -> None:
    def look(environ: Environ) -> None:
        with pytest.raises(KeyError):
            environ["HTTP_ORIGIN"]

    assert recorded(look) == ["origin"]


def test_other_headers_are_not_recorded() -> None:
    assert recorded(lambda environ: environ.get("HTTP_ACCEPT"), HTTP_ACCEPT="*/*") == []


def test_it_is_the_dictionary_that_it_was_made_of() -> None:
    environ = RecordedEnviron({"a": 1}, Recording(), CALLERS)
    environ["b"] = 2
    assert environ == {"a": 1, "b": 2}
    assert isinstance(environ, dict)
