"""The loading page: its text, its script, and how a site's own is read.

The script asks for the page's progress with growing pauses, and reloads when the page is ready. A
reload restores the visitor's scroll position, and so ignores the fragment of the URL. So with a
fragment, and nothing scrolled, the script navigates, which needs another URL to start from. Without
JavaScript ``<noscript>`` reloads every two seconds. If a policy in front of the site
(Content-Security-Policy) blocks the script, the last line reloads after half a minute.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Constant, so that a Content-Security-Policy can name it: `SCRIPT_HASH`. Values that differ from
#: page to page are in the attribute of its element.
SCRIPT: Final = """\
(function(){
var key=document.currentScript.getAttribute("data-isg-key"),url=location.href.split("#")[0],
root=document.documentElement,body=document.body,pause=60,bad=0,
box=document.querySelector("[data-isg-status]");
if(!box){box=document.createElement("p");box.setAttribute("role","status");body.appendChild(box)}
function fail(){
root.className+=" isg-failed";
box.textContent=box.getAttribute("data-isg-failed")||"This page could not be loaded.";
var button=document.createElement("button");
button.textContent=box.getAttribute("data-isg-retry")||"Try again";
button.onclick=function(){button.disabled=true;location.reload()};
box.parentNode.insertBefore(button,box.nextSibling)}
function show(){
if(!location.hash||scrollY)return location.reload();
var here=location.href;
history.replaceState(null,"",url+(location.search?"&":"?")+"isg");
location.replace(here)}
function later(){setTimeout(poll,pause);pause=Math.min(pause*1.5,2000)}
function poll(){
fetch(url,{method:"HEAD",headers:{"X-ISG-Poll":key},cache:"no-store",redirect:"manual"})
.then(function(answer){
var said=answer.headers.get("X-ISG-Poll");
if(said==="rendering"){bad=0;later()}
else if(said==="failed")fail();
else if(said||answer.status<500)show();
else throw 0})
.catch(function(){if(++bad<8)later();else fail()})}
later()})()
"""

_STYLE: Final = """\
:root{color-scheme:light dark}
body{font:1.1rem/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:flex;\
flex-direction:column;gap:1rem;align-items:center;justify-content:center;text-align:center}
p{margin:0}
button{font:inherit;padding:.4em 1em}
i{width:2.5rem;height:2.5rem;border:.3rem solid;border-right-color:transparent;border-radius:50%;\
opacity:.6;animation:turn 1s linear infinite}
.isg-failed i{display:none}
@keyframes turn{to{transform:rotate(1turn)}}
@media(prefers-reduced-motion:reduce){i{animation:none;border-style:dotted;\
border-right-color:currentColor}}
"""

_BUILT_IN: Final = f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Loading…</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body>
<i aria-hidden="true"></i>
<p role="status" data-isg-status>This page is being made ready…</p>
</body>
</html>
"""
_NOSCRIPT: Final = '<noscript><meta http-equiv="refresh" content="2"></noscript>\n'
_LAST_RESORT: Final = '<meta http-equiv="refresh" content="30">\n'
_HEAD_END: Final = re.compile(r"</head\s*>", re.IGNORECASE)
_BODY_END: Final = re.compile(r"</body\s*>", re.IGNORECASE)


def _hash(text: str) -> str:
    """The hash as a Content-Security-Policy names it (CSP level 3, section 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


#: For ``script-src`` of a Content-Security-Policy that a proxy sets on all answers.
SCRIPT_HASH: Final = _hash(SCRIPT)


@dataclass(frozen=True, slots=True)
class Template:
    """A loading page without the key of the page that it stands for."""

    before: bytes
    after: bytes
    policy: str = ""

    def body(self, key: str) -> bytes:
        return self.before + key.encode() + self.after


def template(text: str, policy: str = "") -> Template:
    """``text`` with the script before its ``</body>``. ``policy``: a Content-Security-Policy."""
    head = _HEAD_END.search(text)
    if head is not None:
        text = text[: head.start()] + _NOSCRIPT + text[head.start() :]
    ends = list(_BODY_END.finditer(text))
    end = ends[-1].start() if ends else len(text)
    before = text[:end] + ("" if head else _NOSCRIPT) + '<script data-isg-key="'
    after = f'">{SCRIPT}</script>\n{_LAST_RESORT}{text[end:]}'
    return Template(before.encode(), after.encode(), policy)


BUILT_IN: Final = template(
    _BUILT_IN,
    f"default-src 'none'; base-uri 'none'; connect-src 'self'; img-src data:; "
    f"script-src '{SCRIPT_HASH}'; style-src '{_hash(_STYLE)}'",
)


def text_of(value: str | Path) -> str:
    """The text of a declared loading page: HTML text, or the file that has it.

    Raises `OSError` and `UnicodeDecodeError` for a file that cannot be read.
    """
    if isinstance(value, str) and "<" in value:
        return value
    return Path(value).read_text(encoding="utf-8")
