"""``@revalidate``: gives a view its `Policy`."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import functools
import inspect
import weakref
from collections.abc import Callable
from typing import Any, Final, TypeVar

from .adaptive import Adaptive
from .errors import ConfigurationError
from .policy import ATTRIBUTE, Policy, register
from .render_context import declare

View = TypeVar("View", bound=Callable[..., Any])
T = TypeVar("T")
_bare: Final[weakref.WeakSet[Any]] = weakref.WeakSet()


def revalidate(
    seconds: float | bool | datetime.timedelta | Adaptive | None = None, /, **fields: Any
) -> Callable[[View], View]:
    """Give a view a `Policy`: ``@revalidate(60, tags=["posts"])``.

    Works on functions (``async`` ones too) and on classes, which stay the classes they are.
    Put it next to the function, below the framework's routing decorator.
    """
    if callable(seconds):
        raise ConfigurationError("Write @revalidate(60) or @revalidate(False), with parentheses.")
    try:
        policy = Policy(revalidate=seconds, **fields)
    except TypeError as error:
        raise ConfigurationError(f"@revalidate: {error}. {_field_list()}") from error
    policy = register(policy)

    def decorate(view: Any) -> Any:
        if isinstance(view, type):
            return _decorate_class(view, policy)
        if not callable(view):
            raise ConfigurationError(f"@revalidate goes on a view function or class, not {view!r}.")
        return _decorate_function(view, policy)

    return decorate


def wrapped_by_revalidate(view: Any) -> bool:
    """Whether ``view`` is the bare function under a ``@revalidate`` that a framework never saw."""
    try:
        return view in _bare
    except TypeError:
        return False


def _decorate_function(view: Callable[..., Any], policy: Policy) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(view):

        @functools.wraps(view)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            declare(policy, _named(view, policy, args, kwargs))
            return await view(*args, **kwargs)

        wrapper: Callable[..., Any] = run_async
    else:

        @functools.wraps(view)
        def run(*args: Any, **kwargs: Any) -> Any:
            declare(policy, _named(view, policy, args, kwargs))
            return view(*args, **kwargs)

        wrapper = run
    setattr(wrapper, ATTRIBUTE, policy)
    with contextlib.suppress(TypeError):
        _bare.add(view)
    return wrapper


def _named(
    view: Callable[..., Any], policy: Policy, args: tuple[Any, ...], arguments: dict[str, Any]
) -> dict[str, Any]:
    """A view's arguments by name, also those that tags name and that came by position."""
    if not args or not policy.placeholders:
        return arguments
    missing = policy.placeholders - arguments.keys()
    if not missing:
        return arguments
    try:
        bound = inspect.signature(view).bind_partial(*args).arguments
    except (TypeError, ValueError):
        return arguments
    return {**arguments, **{name: bound[name] for name in missing & bound.keys()}}


def _decorate_class(view: type[T], policy: Policy) -> type[T]:
    setattr(view, ATTRIBUTE, policy)
    for name in ("dispatch", "dispatch_request"):  # Django's and Flask's class-based views
        method = getattr(view, name, None)
        if method is not None:
            setattr(view, name, _decorate_function(method, policy))
    return view


def _field_list() -> str:
    return "Its fields are " + ", ".join(field.name for field in dataclasses.fields(Policy)) + "."
