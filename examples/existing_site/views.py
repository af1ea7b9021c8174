"""The pages and the forms."""

from math import ceil

from flask import Blueprint, abort, current_app, flash, redirect, request, session, url_for
from flask import render_template as render
from flask.typing import ResponseReturnValue
from flask_login import login_required, login_user, logout_user

from . import comments, members
from .content import POSTS, SHELF, Book, Post, related
from .forms import AddForm, CommentForm, LoginForm, LogoutForm

PAGE_SIZE = 12

site = Blueprint("site", __name__)


@site.get("/")
def home() -> str:
    return render("home.html", posts=list(POSTS.values())[:6], books=list(SHELF.values())[:6])


@site.get("/journal")
def journal() -> str:
    last = ceil(len(POSTS) / PAGE_SIZE)
    number = request.args.get("page", 1, type=int)
    if not 1 <= number <= last:
        abort(404)
    shown = list(POSTS.values())[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    return render("journal.html", posts=shown, number=number, last=last)


@site.route("/journal/<slug>", methods=["GET", "POST"])
def post(slug: str) -> ResponseReturnValue:
    found: Post = POSTS.get(slug) or abort(404)
    form = CommentForm()
    if form.validate_on_submit():
        comments.add(_db(), slug, form.name.data, form.text.data)
        flash("Thank you for your comment.")
        return redirect(url_for(".post", slug=slug), 303)
    said = comments.of_post(_db(), slug)
    status = 400 if form.is_submitted() else 200
    return render("post.html", post=found, comments=said, form=form, related=related(slug)), status


@site.get("/books")
def books() -> str:
    return render("books.html", books=SHELF.values())


@site.get("/books/<slug>")
def book(slug: str) -> str:
    found: Book = SHELF.get(slug) or abort(404)
    return render("book.html", book=found, others=list(SHELF.values())[:8])


@site.get("/about")
def about() -> str:
    return render("about.html")


# What each visitor has for themselves -----------------------------------------------------------


@site.post("/basket/<slug>")
def add_to_basket(slug: str) -> ResponseReturnValue:
    found: Book = SHELF.get(slug) or abort(404)
    if not AddForm().validate_on_submit():
        abort(400)
    basket = session.get("basket", {})
    session["basket"] = {**basket, slug: basket.get(slug, 0) + 1}
    flash(f"“{found.title}” is in your basket.")
    return redirect(url_for(".book", slug=slug), 303)


@site.get("/basket")
def basket() -> str:
    chosen = [(SHELF[slug], count) for slug, count in session.get("basket", {}).items()]
    return render("basket.html", chosen=chosen, total=sum(b.cents * count for b, count in chosen))


@site.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    form = LoginForm()
    if form.validate_on_submit():
        if member := members.known(form.name.data, form.password.data):
            login_user(member, remember=form.remember.data)
            flash(f"Welcome, {member.id}.")
            return redirect(url_for(".account"), 303)
        flash("That is not the right password.")
    return render("login.html", form=form)


@site.post("/logout")
def logout() -> ResponseReturnValue:
    if not LogoutForm().validate_on_submit():
        abort(400)
    logout_user()
    flash("You are logged out.")
    return redirect(url_for(".home"), 303)


@site.get("/account")
@login_required  # type: ignore[untyped-decorator]
def account() -> str:
    return render("account.html")


def _db() -> str:
    file: str = current_app.config["SHOP_DB"]
    return file
