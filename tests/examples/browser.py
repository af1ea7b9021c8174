"""A visitor of the examples: keeps cookies, follows redirects, fills in forms. Loopback only."""

import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message
from http.cookiejar import CookieJar


@dataclass(frozen=True)
class Answer:
    status: int
    url: str
    headers: Message
    text: str

    @property
    def state(self) -> str | None:
        """What isgware says it did; None where it said nothing."""
        return self.headers["X-ISG-Cache"]


class Browser:
    def __init__(self, site: str) -> None:
        assert site.startswith("http://127.0.0.1:")
        self.site = site
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def get(self, path: str, **headers: str) -> Answer:
        return self._send(urllib.request.Request(self.site + path, headers=headers))

    def submit(self, path: str, form: str | None = None, **fields: str) -> Answer:
        """Open the page that has the form (by default ``path`` itself), then send it filled in."""
        page = self.get(form or path).text
        for name, value in re.findall(
            r'name="(csrfmiddlewaretoken|csrf_token)"[^>]* value="([^"]+)"', page
        ):
            fields[name] = value
        return self.post(path, **fields)

    def post(self, path: str, **fields: str) -> Answer:
        data = urllib.parse.urlencode(fields).encode()
        return self._send(urllib.request.Request(self.site + path, data=data))

    def _send(self, request: urllib.request.Request) -> Answer:
        try:
            response = self._opener.open(request, timeout=120)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            return Answer(response.status, response.url, response.headers, response.read().decode())
