"""A blog with a database, as a Django project and as a Flask app: `bench.dependency_recording`.

Both show the same: a page of a post, with its author, category, tags and comments (10 to 20
dependencies), and a list of posts beside the categories (about 50).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

POSTS, AUTHORS, CATEGORIES, TAGS, COMMENTS = 120, 12, 8, 20, 2
#: Posts of one list.
LISTED: Final = 18
#: All is slow under valgrind.
PATIENT: Final = {
    "backend_timeout": 60.0, "wait_time": 600.0, "lease_time": 600.0, "render_timeout": 600.0
}  # fmt: skip
TEXT: Final = "The quick brown fox jumps over the lazy dog, and the dog does not mind. " * 12
#: Statements of one commit.
INSERT, UPDATE, DELETE = "insert", "update", "delete"


@dataclass(frozen=True)
class Site:
    """``isg`` is what regenerates, ``app`` what a server calls. ``writes``: by statement, a call
    that commits one row; a delete takes a row that an insert has made."""

    isg: Any
    app: Any
    writes: dict[str, Callable[[], None]]


def category_of(number: int) -> int:
    return number % CATEGORIES + 1


def author_of(number: int) -> int:
    return number % AUTHORS + 1


def tags_of(number: int) -> tuple[int, ...]:
    return number % TAGS + 1, number * 7 % TAGS + 1


#: In Jinja's and in Django's language. ``round`` differs from render to render, so that each page
#: is a new one for the store.
LAYOUT: Final = """<!doctype html><html lang=en><head><title>{% block title %}{% endblock %}</title>
<meta name=viewport content="width=device-width"><link rel=stylesheet href="/static/site.css">
</head><body><header><nav><ul>{% for entry in categories %}
<li><a href="/categories/{{ entry.id }}">{{ entry.name }}</a></li>{% endfor %}</ul></nav></header>
<main>{% block main %}{% endblock %}</main><footer>Page {{ round }}</footer></body></html>
"""
POST: Final = """{% extends "layout.html" %}{% block title %}{{ post.title }}{% endblock %}
{% block main %}<article><h1>{{ post.title }}</h1>
<p>By {{ post.author.name }} in {{ post.category.name }}, {{ post.views }} views</p>
<div>{{ post.body }}</div><ul>{% for tag in tags %}<li>{{ tag.name|title }}</li>{% endfor %}</ul>
{% for comment in comments %}<section><b>{{ comment.name }}</b><p>{{ comment.text }}</p></section>
{% endfor %}</article>{% endblock %}
"""
LIST: Final = """{% extends "layout.html" %}{% block title %}{{ category.name }}{% endblock %}
{% block main %}<h1>{{ category.name }}: {{ count }}</h1>{% for post in posts %}
<article><h2><a href="/posts/{{ post.id }}">{{ post.title|title }}</a></h2>
<p>By {{ post.author.name }}, {{ post.views }} views</p><p>{{ post.body|EXCERPT }}</p>
<ul>{% for tag in TAGS %}<li>{{ tag.name }}</li>{% endfor %}</ul></article>
{% endfor %}{% endblock %}
"""
