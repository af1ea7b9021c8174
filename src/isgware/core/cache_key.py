"""The cache key, and the part of a request that a render may see. Both are made of the same values.

Rule: a render gets its request from `narrow` only. The result of `narrow`, a `Request`, is both
hashed into the key and turned into the environ of the clean room. So the key and the render cannot
disagree: a value that is not in the key is not visible to the render.

Values are WSGI's native strings: bytes decoded as latin-1 (PEP 3333).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import IPv6Address
from typing import Any, Final
from urllib.parse import quote, unquote_plus

from werkzeug.datastructures import Accept, CharsetAccept, LanguageAccept, MIMEAccept
from werkzeug.http import parse_accept_header

from ..http.fields import MAX_KEYED_VALUE
from ..option_checks import HOST

#: Query parameters that campaigns and mailers add. No page depends on them.
TRACKING: Final = (
    "utm_*", "mtm_*", "pk_*", "piwik_*", "matomo_*", "hsa_*", "_hsenc", "_hsmi", "gclid", "gclsrc",
    "gbraid", "wbraid", "dclid", "fbclid", "msclkid", "twclid", "ttclid", "li_fat_id", "igshid",
    "yclid", "mc_cid", "mc_eid", "_ga", "_gl", "_ke", "epik", "srsltid", "vero_id", "wickedid",
)  # fmt: skip
#: Cookies of analytics and consent tools. No page depends on them.
HARMLESS_COOKIES: Final = (
    "_ga", "_ga_*", "_gid", "_gat*", "_gcl_*", "__utm*", "_fbp", "_fbc", "_pk_*", "mtm_*", "_hj*",
    "_clck", "_clsk", "_uet*", "ajs_*", "mp_*", "amplitude_*", "ph_*", "_scid", "_tt_*", "_ttp",
    "_pin_unauth", "_mkto_trk", "hubspotutk", "__hs*", "intercom-id-*", "CookieConsent",
    "cookieconsent_status", "OptanonConsent", "OptanonAlertBoxClosed", "cookieyes-consent",
    "euconsent*", "didomi_token", "borlabs-cookie", "cc_cookie", "__cf_bm", "cf_clearance",
)  # fmt: skip
MAX_SEGMENTS: Final = 64
#: Longest value, in characters, of a keyed session entry or of a variant function.
MAX_VARIANT: Final = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: An escaped slash or backslash, or an escaped character that needs no escape (RFC 3986, section
#: 2.3).
_HIDDEN = re.compile(
    r"%(?:2[DEF]|3[0-9]|4[1-9A-F]|5[0-9ACF]|6[1-9A-F]|7[0-9AE])", re.IGNORECASE | re.ASCII
)
_TRACKING = re.compile("|".join(re.escape(name).replace(r"\*", ".*") for name in TRACKING))
_ACCEPTS: Final = {
    "accept": MIMEAccept,
    "accept-language": LanguageAccept,
    "accept-charset": CharsetAccept,
}


def cgi_name(field: str) -> str:
    """The name of a header field in an environ (RFC 3875, section 4.1). Content-Length has no name
    here: cacheable requests have no body."""
    name = field.upper().replace("-", "_")
    return name if name == "CONTENT_TYPE" else "HTTP_" + name


@dataclass(slots=True, eq=False)
class Visitor:
    """A request as it arrived. ``headers`` maps CGI names (``HTTP_ACCEPT``) to values. ``memo``
    caches what was found out about the visitor, so that it is looked up once.

    Treat it as immutable. It is not a frozen dataclass because creating one takes three times as
    long, and each request that is not a plain hit creates one.
    """

    method: str
    scheme: str
    host: str
    script_name: str
    path: str
    query: str
    headers: Mapping[str, Any]
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def header(self, name: str) -> str | None:
        value = self.headers.get(cgi_name(name))
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Request:
    """The part of a visitor's request that a render may see. The key is made of it."""

    scheme: str
    host: str
    script_name: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    cookies: tuple[tuple[str, str], ...] = ()
    #: ``session:KEY`` and ``user:NAME``, each with its value.
    variants: tuple[tuple[str, str], ...] = ()

    def key(self, build_id: str = "") -> str:
        """The cache key. Different requests have different keys: each part is length-prefixed
        before hashing."""
        pairs = (*self.headers, ("", ""), *self.cookies)
        if self.variants:
            pairs += (("", ""), *self.variants)
        flat = [part for pair in pairs for part in pair]
        return _digest(
            "page", build_id, self.scheme, self.host, self.script_name, self.path, self.query, *flat
        )

    def own_key(self, build_id: str = "") -> str:
        """As `key`, for a response to a visitor's own request. It differs from the key of a
        clean-room render of the same URL, so that neither response is served in place of the other.
        """
        flat = [part for pair in self.headers for part in pair]
        return _digest(
            "own", build_id, self.scheme, self.host, self.script_name, self.path, self.query, *flat
        )

    def base_key(self, build_id: str = "") -> str:
        """Identifies the URL without its query. Learned variants are stored under it."""
        return _digest("base", build_id, self.scheme, self.host, self.script_name, self.path)

    def page_key(self, build_id: str = "") -> str:
        """Identifies the page. Its variants differ only by headers and cookies."""
        return _digest(
            "variants", build_id, self.scheme, self.host, self.script_name, self.path, self.query
        )

    @property
    def full_path(self) -> str:
        """The decoded URL path, by which a page is invalidated."""
        return decoded(self.script_name + self.path)

    @property
    def url(self) -> str:
        path = quote((self.script_name + self.path).encode("latin-1"), safe="/:@!$&'()*+,;=~-._")
        return f"{self.scheme}://{self.host}{path}" + (f"?{self.query}" if self.query else "")

    @property
    def variant(self) -> str:
        """The keyed headers and cookies, formatted for display."""
        cookies = ((f"cookie:{name}", value) for name, value in self.cookies)
        named = [*self.headers, *cookies, *self.variants]
        return "; ".join(f"{name}={value}" for name, value in named)


#: Takes a header's name and the visitor. Returns the value to put into the key and to show to the
#: render, or ``None`` if it is absent.
Resolve = Callable[[str, Visitor], str | None]


@dataclass(frozen=True, slots=True)
class Rules:
    """The parts of a request that a page depends on: those of its policy, and those learned for its
    URL."""

    query: str | tuple[str, ...] = "all"
    headers: tuple[tuple[str, tuple[str, ...] | None], ...] = ()
    cookies: tuple[tuple[str, tuple[str, ...] | None], ...] = ()
    resolvers: Mapping[str, Resolve] | None = None
    variants: tuple[tuple[str, tuple[str, ...] | None], ...] = ()
    variant_of: Callable[[str, Visitor], object] | None = None


class NoVariant(Exception):
    """A visitor has no value that can be part of a key. ``str`` of it gives the reason."""


def narrow(visitor: Visitor, rules: Rules, origin: tuple[str, str] | None = None) -> Request | str:
    """The request that a stored render of this visitor's page may see, or why there is none."""
    scheme, host = origin or (visitor.scheme, visitor.host)
    headers = []
    for name, values in rules.headers:
        if rules.resolvers and name in rules.resolvers:
            value = rules.resolvers[name](name, visitor)
        else:
            value = _keyed_value(name, values, visitor.header(name))
        if value is not None:
            if len(value) > MAX_KEYED_VALUE or _CONTROL.search(value):
                return "odd-header"
            headers.append((name, value))
    cookies = []
    if rules.cookies:
        present = dict(reversed(cookie_pairs(visitor.headers.get("HTTP_COOKIE"))))
        for name, values in rules.cookies:
            value = present.get(name)
            if value is not None and (values is None or value in values):
                if len(value) > MAX_KEYED_VALUE or _CONTROL.search(value):
                    return "odd-cookie"
                cookies.append((name, value))
    try:
        variants = tuple(_variants(visitor, rules))
    except NoVariant as reason:
        return str(reason)
    return Request(
        scheme,
        host,
        visitor.script_name,
        visitor.path,
        narrow_query(visitor.query, rules.query),
        tuple(headers),
        tuple(cookies),
        variants,
    )


def _variants(visitor: Visitor, rules: Rules) -> Iterable[tuple[str, str]]:
    """Raises `NoVariant` if a value of the visitor cannot be part of a key."""
    for name, values in rules.variants:
        value = rules.variant_of(name, visitor) if rules.variant_of is not None else None
        if value is None:
            continue
        if not is_variant(value) or (values is not None and value not in values):
            raise NoVariant("odd-variant")
        yield name, str(value)


def is_variant(value: object) -> bool:
    """Whether a value of a session, or the result of a variant function, can be part of a key."""
    return isinstance(value, str) and len(value) <= MAX_VARIANT and value.isprintable()


def url_refusal(visitor: Visitor) -> str | None:
    """Why no page may be stored for the URL of a request; ``None`` if one may be stored.

    Servers interpret such URLs differently (measured: each of these forms reaches some app), so
    their pages are never stored.
    """
    full = visitor.script_name + visitor.path
    if not full.startswith("/") or full.startswith("//") or "\\" in full:
        return "odd-path"
    if full.count("/") > MAX_SEGMENTS or _CONTROL.search(full) or len(full) > 4096:
        return "odd-path"
    if "/." in full and any(part in (".", "..") for part in full.split("/")):
        return "odd-path"
    try:
        full.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return "odd-path"
    if len(visitor.query) > 4096 or _CONTROL.search(visitor.query) or not visitor.query.isascii():
        return "odd-query"
    if visitor.scheme not in ("http", "https") or not _sound_host(visitor.host):
        return "odd-host"
    return None


def ambiguous_target(target: str) -> bool:
    """Whether a request line differs in meaning from the path that the server made of it: it names
    another host (absolute form), or has escapes that other requests for the same path do not have.
    """
    return not target.startswith("/") or _HIDDEN.search(target.partition("?")[0]) is not None


def _sound_host(host: str) -> bool:
    """Whether a Host is valid in a URL. Text in brackets has to be an IPv6 address: code that
    parses such a URL would raise otherwise."""
    if not HOST.match(host):
        return False
    if host.startswith("["):
        try:
            IPv6Address(host[1 : host.index("]")])
        except ValueError:
            return False
    return True


def narrow_query(query: str, names: str | tuple[str, ...]) -> str:
    """Keep the parameters that are part of the key, byte for byte and in their order."""
    if not query or names == ():
        return ""
    kept = []
    for part in query.split("&"):
        name = unquote_plus(part.partition("=")[0])
        if (names == "all" and not is_tracking(name)) or (names != "all" and name in names):
            kept.append(part)
    return "&".join(kept)


def is_tracking(name: str) -> bool:
    """Whether a query parameter is one of `TRACKING`."""
    return _TRACKING.fullmatch(name) is not None


def cookie_pairs(header: Any) -> list[tuple[str, str]]:
    """Names and raw values of a Cookie header, in its order (RFC 6265, section 4.2.1)."""
    pairs = []
    for part in (header if isinstance(header, str) else "").split(";"):
        name, _, value = part.partition("=")
        if name.strip():
            pairs.append((name.strip(), value.strip()))
    return pairs


def counting_cookie(
    header: Any, counted: Iterable[str] | None, keyed: Iterable[str] = ()
) -> str | None:
    """The first cookie that makes a visitor's answer personal, given a policy's ``cookies``.
    Cookies in the key do not count: the page was rendered with them."""
    for name, _ in cookie_pairs(header):
        if name in keyed:
            continue
        if counted is None:
            if counting_cookie_name(name):
                return name
        elif any(fnmatchcase(name, pattern) for pattern in counted):
            return name
    return None


def counting_cookie_name(name: str) -> bool:
    """Whether a cookie is not one of those that analytics and consent tools are known to set."""
    return not any(fnmatchcase(name, known) for known in HARMLESS_COOKIES)


def decoded(path: str) -> str:
    """The path as text; the argument is UTF-8 bytes decoded as latin-1."""
    return path.encode("latin-1", "replace").decode("utf-8", "replace")


def _keyed_value(name: str, values: tuple[str, ...] | None, given: str | None) -> str | None:
    if given is None or values is None:
        return given
    if name.startswith("accept"):
        offered = parse_accept_header(given, _ACCEPTS.get(name, Accept))
        return offered.best_match(values)
    wanted = given.strip().lower()
    return next((value for value in values if value.lower() == wanted), None)


def _digest(*parts: str) -> str:
    pieces: list[bytes] = []
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        pieces += (len(data).to_bytes(4, "big"), data)
    return hashlib.blake2b(b"".join(pieces), digest_size=20).hexdigest()
