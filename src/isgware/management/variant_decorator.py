"""``@isg.variant``: the result of a function of the app becomes part of a page's key.

The view calls the decorated function. In a clean room that returns the keyed value, which is no
read; elsewhere the function itself runs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core.cache_key import Visitor
from ..render_context import current
from ..rendering.clean_room import environ_for
from ..routing.framework import Site
from ..routing.variants import Function, Functions, checked_function, checked_variant_name


def variant(
    name: str, functions: Functions, site: Callable[[], Site]
) -> Callable[[Function], Function]:
    """Register the decorated function in ``functions``."""
    checked_variant_name(name)

    def decorate(function: Function) -> Function:
        checked_function(name, function, functions)
        functions[name] = function

        @functools.wraps(function)
        def say(*given: Any, **named: Any) -> Any:
            rendering = current.get()
            request = rendering.request if rendering is not None else None
            if rendering is None or request is None:
                return function(*given, **named)
            keyed = dict(request.variants)
            if f"user:{name}" in keyed:
                return keyed[f"user:{name}"]
            # The page for visitors without session and cookies that count. The function is called
            # outside of this render, since it would hide the render's reads otherwise.
            environ = environ_for(request, None)
            nobody = Visitor(
                "GET", request.scheme, request.host, request.script_name, request.path,
                request.query, environ,
            )  # fmt: skip
            return site().ask(function, nobody)

        return say  # type: ignore[return-value]

    return decorate
