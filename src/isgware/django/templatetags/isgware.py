"""``{% load isgware %}``: the tag ``{% hole %}``, with or without ``{% endhole %}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.template import Library, Node, NodeList, TemplateSyntaxError
from django.template.base import FilterExpression, Parser, Token, TokenType, token_kwargs

from ...page import page
from .. import holes as _holes  # noqa: F401  renders them

register: Final = Library()
_NAMES: Final = ("cookies", "session")


class HoleNode(Node):
    def __init__(
        self, name: FilterExpression, arguments: Mapping[str, FilterExpression],
        placeholder: NodeList | None,
    ) -> None:  # fmt: skip
        self._name = name
        self._arguments = arguments
        self._placeholder = placeholder

    def render(self, context: Any) -> str:
        given = {key: value.resolve(context) for key, value in self._arguments.items()}
        for key in _NAMES:  # no list can be written in a template
            if isinstance(given.get(key), str):
                given[key] = [name.strip() for name in given[key].split(",")]
        request = getattr(context, "request", None) or context.get("request")
        nodes = self._placeholder
        placeholder = None if nodes is None else lambda: str(nodes.render(context))
        name = self._name.resolve(context)
        return str(page.hole(name, placeholder=placeholder, request=request, **given))


@register.tag("hole")
def hole(parser: Parser, token: Token) -> HoleNode:
    """``{% hole "_account.html" %}``, or with a placeholder of one's own
    ``{% hole "basket" small=True %}<a href="/basket">Basket</a>{% endhole %}``."""
    _, *bits = token.split_contents()
    if not bits:
        raise TemplateSyntaxError("{% hole %} takes the name of a hole or of a template first.")
    name = parser.compile_filter(bits.pop(0))
    arguments = token_kwargs(bits, parser)
    if bits:
        raise TemplateSyntaxError(
            f"{{% hole %}} takes its arguments by name, as in small=True, not {bits[0]!r}."
        )
    placeholder = None
    if _ends(parser):
        placeholder = parser.parse(("endhole",))
        parser.delete_first_token()
    return HoleNode(name, arguments, placeholder)


def _ends(parser: Parser) -> bool:
    """Whether an ``{% endhole %}`` belongs to this tag: it comes before any other hole."""
    token: Any
    for token in reversed(parser.tokens):  # the next is the last
        if token.token_type == TokenType.BLOCK:
            command = token.contents.split(maxsplit=1)[0] if token.contents else ""
            if command in ("hole", "endhole"):
                return command == "endhole"
    return False
