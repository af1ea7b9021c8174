"""The script that fills holes in the browser (``client=True``), and the name of its file.

It is constant, so that its name can hold its hash, and caches may keep it for ever. What differs
from page to page stands in attributes of its element and of the holes. Works under
``script-src 'self'; connect-src 'self'`` and under Trusted Types: the browser parses the answer as
a document, and nothing is evaluated.

The placeholder stays until there is an answer, and for good if there is none. A hole that holds the
focus is filled when the focus leaves it. ``aria-live`` at the holes announces what changes; what is
equal to its placeholder is left as it is. A page that the browser takes out of its
back/forward cache asks once more.
"""

from __future__ import annotations

import hashlib
from typing import Final

SCRIPT: Final = """\
(d=>{
let url=d.currentScript.getAttribute("data-url"),
all=[...d.querySelectorAll("isg-hole")].map(el=>({el,n:el.getAttribute("n"),own:[...el.childNodes]}));
function show(hole){
let el=hole.el,nodes=hole.next;
if(!nodes)return;
if(el.contains(d.activeElement)){
el.addEventListener("focusout",()=>setTimeout(show,0,hole),{once:true});
return}
hole.next=0;
hole.filled=nodes!=hole.own;
el.replaceChildren(...nodes);
el.dispatchEvent(new Event("isg-filled",{bubbles:true}))}
function ask(){
let x=new XMLHttpRequest;
x.open("GET",url+"&holes="+all.map(hole=>hole.n));
x.responseType="document";
x.timeout=3e4;
x.onload=()=>{
if(x.status<300)all.forEach(hole=>{
let made=x.response&&x.response.querySelector('template[data-n="'+hole.n+'"]');
if(made?made.innerHTML!=hole.el.innerHTML:hole.filled){
hole.next=made?[d.importNode(made.content,true)]:hole.own;
show(hole)}})};
x.send()}
addEventListener("pageshow",event=>event.persisted&&ask());
ask()})(document)
"""
HASH: Final = hashlib.sha256(SCRIPT.encode()).hexdigest()[:16]
#: Below the control endpoint's mount.
SCRIPT_PATH: Final = f"/holes.{HASH}.js"
