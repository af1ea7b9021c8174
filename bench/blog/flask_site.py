"""The blog as a Flask app with Flask-SQLAlchemy."""

from __future__ import annotations

import datetime
import itertools
from functools import partial
from typing import Any

from flask import Flask, render_template
from flask_sqlalchemy import SQLAlchemy
from jinja2 import DictLoader
from sqlalchemy import ForeignKey, event, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship
from sqlalchemy.orm import selectinload as several

from bench import blog
from bench.blog import Site


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
_rounds = itertools.count()


class Author(db.Model):  # type: ignore[misc, name-defined]
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Category(db.Model):  # type: ignore[misc, name-defined]
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


post_tag = db.Table(
    "post_tag",
    db.Column("post_id", ForeignKey("post.id"), primary_key=True),
    db.Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class Tag(db.Model):  # type: ignore[misc, name-defined]
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Post(db.Model):  # type: ignore[misc, name-defined]
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    body: Mapped[str]
    views: Mapped[int] = mapped_column(default=0)
    published: Mapped[bool] = mapped_column(default=True)
    date: Mapped[datetime.date]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"))
    author: Mapped[Author] = relationship()
    category: Mapped[Category] = relationship()
    tags: Mapped[list[Tag]] = relationship(secondary=post_tag, order_by=Tag.id)
    comments: Mapped[list[Comment]] = relationship(order_by="Comment.id")


class Comment(db.Model):  # type: ignore[misc, name-defined]
    id: Mapped[int] = mapped_column(primary_key=True)
    post_id: Mapped[int] = mapped_column(ForeignKey("post.id"), index=True)
    name: Mapped[str]
    text: Mapped[str]


def site(directory: str, store: str, dependencies: bool) -> Site:
    from isgware.flask import ISG

    app = Flask("blog")
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{directory}/db.sqlite3"
    app.jinja_loader = DictLoader(
        {
            "layout.html": blog.LAYOUT,
            "post.html": blog.POST,
            "list.html": blog.LIST.replace("EXCERPT", "truncate(160)").replace("TAGS", "post.tags"),
        }
    )
    db.init_app(app)
    with app.app_context():
        event.listen(db.engine, "connect", _quickly)
        db.create_all()
        _fill()
        writes = _writes(app)
    _views(app)
    isg = ISG(app, store=store, enabled=True, dependencies=dependencies, **blog.PATIENT)
    return Site(isg, app, writes)


def _quickly(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA journal_mode = WAL")


def _fill() -> None:
    session = db.session
    session.add_all(Author(name=f"author {n}") for n in range(blog.AUTHORS))
    session.add_all(Category(name=f"category {n}") for n in range(blog.CATEGORIES))
    tags = [Tag(name=f"tag {n}") for n in range(blog.TAGS)]
    session.add_all(tags)
    for n in range(1, blog.POSTS + 1):
        session.add(Post(
            title=f"post {n}", body=blog.TEXT, date=datetime.date(2026, 1, 1 + n % 28),
            author_id=blog.author_of(n), category_id=blog.category_of(n),
            tags=[tags[number - 1] for number in sorted({*blog.tags_of(n)})],
            comments=[Comment(name="ann", text="I do not agree.") for _ in range(blog.COMMENTS)],
        ))  # fmt: skip
    session.commit()


def _views(app: Flask) -> None:
    from isgware import revalidate

    def post(number: int) -> str:
        found = db.get_or_404(
            Post, number, options=[joinedload(Post.author), joinedload(Post.category)]
        )
        return render_template(
            "post.html", post=found, tags=found.tags, comments=found.comments, round=next(_rounds)
        )

    def posts(number: int) -> str:
        category = db.get_or_404(Category, number)
        found = select(Post).where(Post.category_id == number, Post.published)
        listed = found.options(joinedload(Post.author), several(Post.tags))
        listed = listed.order_by(Post.date.desc(), Post.id.desc()).limit(blog.LISTED)
        count = db.session.scalar(select(func.count()).select_from(found.subquery()))
        categories = db.session.scalars(select(Category).order_by(Category.name)).all()
        return render_template(
            "list.html", category=category, categories=categories, count=count,
            posts=db.session.scalars(listed).all(), round=next(_rounds),
        )  # fmt: skip

    kept = revalidate(86_400, query=["cold"])
    for name, view in (("posts", post), ("categories", posts)):
        app.add_url_rule(f"/{name}/<int:number>", name, kept(view))
        app.add_url_rule(f"/own/{name}/<int:number>", f"own_{name}", partial(view))


def _writes(app: Flask) -> dict[str, Any]:
    numbers, made = itertools.count(), list[int]()

    def insert() -> None:
        with app.app_context():
            comment = Comment(post_id=next(numbers) % blog.POSTS + 1, name="bob", text="Nor do I.")
            db.session.add(comment)
            db.session.flush()
            made.append(comment.id)
            db.session.commit()

    def update() -> None:
        with app.app_context():
            comment = db.session.get(Comment, next(numbers) % (blog.POSTS * blog.COMMENTS) + 1)
            assert comment is not None
            comment.text = f"I do not agree, {next(numbers)}."
            db.session.commit()

    def delete() -> None:
        with app.app_context():
            db.session.delete(db.session.get(Comment, made.pop()))
            db.session.commit()

    return {blog.INSERT: insert, blog.UPDATE: update, blog.DELETE: delete}
