"""The blog as a Django project."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

from bench import blog
from bench.blog import Site

_rounds = itertools.count()


def site(directory: str, store: str, dependencies: bool) -> Site:
    from django.conf import settings

    templates = {
        "layout.html": blog.LAYOUT,
        "post.html": blog.POST,
        "list.html": blog.LIST.replace("EXCERPT", "truncatewords:30").replace(
            "TAGS", "post.tags.all"
        ),
    }
    loader = "django.template.loaders.locmem.Loader"
    settings.configure(
        SECRET_KEY="for this measurement only", ALLOWED_HOSTS=["*"], USE_TZ=True,
        ROOT_URLCONF=__name__, INSTALLED_APPS=["isgware.django", "bench.blog"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{directory}/db.sqlite3"}
        },
        TEMPLATES=[{
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [
                ("django.template.loaders.cached.Loader", [(loader, templates)])
            ]},
        }],
        ISGWARE={
            "store": store, "enabled": True, "dependencies": dependencies, **blog.PATIENT,
        },
    )  # fmt: skip
    import django

    django.setup()
    from django.core.wsgi import get_wsgi_application

    import isgware.django
    from isgware import untracked

    with untracked():  # there is no ISG yet, and Django would make one to tell it
        _fill()
    globals()["urlpatterns"] = _urls()
    isg = isgware.django.ISG(get_wsgi_application())
    return Site(isg, isg, _writes())


def _fill() -> None:
    from django.db import connection

    from bench.blog.models import MODELS, Author, Category, Post, Tag

    connection.cursor().execute("PRAGMA journal_mode = WAL")
    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)
    Author.objects.bulk_create(Author(name=f"author {n}") for n in range(blog.AUTHORS))
    Category.objects.bulk_create(Category(name=f"category {n}") for n in range(blog.CATEGORIES))
    Tag.objects.bulk_create(Tag(name=f"tag {n}") for n in range(blog.TAGS))
    for n in range(1, blog.POSTS + 1):
        post: Any = Post.objects.create(
            title=f"post {n}", body=blog.TEXT, date=datetime.date(2026, 1, 1 + n % 28),
            author_id=blog.author_of(n), category_id=blog.category_of(n),
        )  # fmt: skip
        post.tags.set(blog.tags_of(n))
        for _ in range(blog.COMMENTS):
            post.comments.create(name="ann", text="I do not agree.")


def _urls() -> list[Any]:
    from django.http import HttpRequest, HttpResponse
    from django.shortcuts import get_object_or_404, render
    from django.urls import path

    from bench.blog.models import Category, Post
    from isgware import revalidate

    def post(request: HttpRequest, number: int) -> HttpResponse:
        found: Any = get_object_or_404(Post.objects.select_related("author", "category"), pk=number)
        return render(request, "post.html", {
            "post": found, "tags": found.tags.order_by("id"),
            "comments": found.comments.order_by("id"), "round": next(_rounds),
        })  # fmt: skip

    def posts(request: HttpRequest, number: int) -> HttpResponse:
        category: Any = get_object_or_404(Category, pk=number)
        found = category.post_set.filter(published=True)
        listed = found.select_related("author").prefetch_related("tags").order_by("-date", "-id")
        return render(request, "list.html", {
            "category": category, "categories": Category.objects.order_by("name"),
            "count": found.count(), "posts": listed[: blog.LISTED], "round": next(_rounds),
        })  # fmt: skip

    kept = revalidate(86_400, query=["cold"])
    return [
        path("posts/<int:number>", kept(post)), path("categories/<int:number>", kept(posts)),
        path("own/posts/<int:number>", post), path("own/categories/<int:number>", posts),
    ]  # fmt: skip


def _writes() -> dict[str, Any]:
    from bench.blog.models import Comment

    numbers, made = itertools.count(), list[Comment]()

    def insert() -> None:
        post = next(numbers) % blog.POSTS + 1
        made.append(Comment.objects.create(post_id=post, name="bob", text="Nor do I."))

    def update() -> None:
        comment = Comment.objects.get(pk=next(numbers) % (blog.POSTS * blog.COMMENTS) + 1)
        comment.text = f"I do not agree, {next(numbers)}."
        comment.save()

    def delete() -> None:
        made.pop().delete()

    return {blog.INSERT: insert, blog.UPDATE: update, blog.DELETE: delete}
