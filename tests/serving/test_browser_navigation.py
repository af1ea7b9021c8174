"""`isgware.serving.browser_navigation`: who opens a page in a browser window, and who is a bot."""

from __future__ import annotations

import pytest

from isgware.core.cache_key import Visitor
from isgware.serving.browser_navigation import is_bot, navigates

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
#: What a browser says when somebody follows a link.
OPENS = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
    "User-Agent": FIREFOX,
}


def visitor(method: str = "GET", **headers: str | None) -> Visitor:
    said = {**OPENS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    environ = {
        "HTTP_" + name.upper().replace("-", "_"): value
        for name, value in said.items()
        if value is not None
    }
    return Visitor(method, "http", "site.test", "", "/", "", environ)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="a link was followed"),
        pytest.param({"Sec_Fetch_Dest": None, "Sec_Fetch_Mode": None}, id="an older browser"),
        pytest.param({"Accept": "text/html"}, id="nothing but HTML"),
        pytest.param({"Accept": "TEXT/HTML, */*"}, id="capitals"),
        pytest.param({"If_None_Match": '"x"', "Cookie": "a=b"}, id="conditional, with cookies"),
        pytest.param({"Sec_Purpose": ""}, id="no purpose"),
    ],
)
def test_a_browser_that_opens_a_page_navigates(headers: dict[str, str | None]) -> None:
    assert navigates(visitor(**headers))


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        pytest.param("HEAD", {}, id="HEAD"),
        pytest.param("GET", {"Accept": None}, id="no Accept"),
        pytest.param("GET", {"Accept": "*/*"}, id="curl, fetch"),
        pytest.param("GET", {"Accept": "application/json"}, id="data"),
        pytest.param("GET", {"Sec_Fetch_Dest": "empty"}, id="fetch"),
        pytest.param("GET", {"Sec_Fetch_Dest": "iframe"}, id="a frame"),
        pytest.param("GET", {"Sec_Fetch_Dest": "image"}, id="an image"),
        pytest.param("GET", {"Sec_Fetch_Mode": "cors"}, id="fetch of another site"),
        pytest.param("GET", {"X_Requested_With": "XMLHttpRequest"}, id="XMLHttpRequest"),
        pytest.param("GET", {"Sec_Purpose": "prefetch"}, id="prefetch"),
        pytest.param("GET", {"Sec_Purpose": "prefetch;prerender"}, id="prerender"),
        pytest.param("GET", {"Purpose": "prefetch"}, id="prefetch, older"),
        pytest.param("GET", {"X_Moz": "prefetch"}, id="prefetch, Firefox"),
        pytest.param("GET", {"X_Purpose": "preview"}, id="a preview"),
    ],
)
def test_everything_else_does_not(method: str, headers: dict[str, str | None]) -> None:
    assert not navigates(visitor(method, **headers))


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
        "AdsBot-Google (+http://www.google.com/adsbot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)",
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
        "Mozilla/5.0 (compatible; YandexImages/3.0; +http://yandex.com/bots)",
        "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)",
        "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
        "Twitterbot/1.0",
        "LinkedInBot/1.0 (compatible; Mozilla/5.0; +https://www.linkedin.com)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "TelegramBot (like TwitterBot)",
        "WhatsApp/2.23.20.0",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "Mozilla/5.0 AppleWebKit/605.1.15 (KHTML, like Gecko; Applebot/0.1)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ChatGPT-User/1.0)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Claude-User/1.0)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Perplexity-User/1.0)",
        "CCBot/2.0 (https://commoncrawl.org/faq/)",
        "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (compatible; Bytespider)",
        "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/119.0 Chrome-Lighthouse",
        "W3C_Validator/1.3",
    ],
)
def test_a_bot(agent: str) -> None:
    assert is_bot(visitor(User_Agent=agent))


@pytest.mark.parametrize(
    "agent",
    [
        FIREFOX,
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/138.0 Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/138.0 Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) GSA/370.0 Mobile/15E148",
        "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 [FBAN/FBIOS;FBAV/512.0]",
        "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 [Pinterest/iOS]",
        "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 YaBrowser/25.4 YandexSearch/25.41",
        "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 NAVER(inapp; search; 2000)",
        "Lynx/2.9.2 libwww-FM/2.14",
        "",
    ],
)
def test_a_person(agent: str) -> None:
    assert not is_bot(visitor(User_Agent=agent))


def test_who_sends_no_user_agent_is_no_bot() -> None:
    assert not is_bot(visitor(User_Agent=None))
