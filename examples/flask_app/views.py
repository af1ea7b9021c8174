"""The pages. Those with ``@revalidate`` are stored; the others pass through isgware untouched."""

import hmac
import time
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    make_response,
    redirect,
    request,
    url_for,
)
from flask import render_template as render
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required, login_user, logout_user

from isgware import InvalidPath, ISGError, hole, page, revalidate
from isgware.flask import ISG

from . import accounts, catalogue, notes
from .catalogue import KINDS, LANGUAGES, Item
from .forms import EditForm, LoginForm, LogoutForm, NoteForm

HERE = Path(__file__).parent
PAGE_SIZE = 30
DAY = 24 * 3600
KIND = f"any({','.join(KINDS)}):kind"

site = Blueprint("site", __name__)


@site.app_context_processor
def for_templates() -> dict[str, object]:
    return {"kinds": KINDS, "now": catalogue.utc_now()}


# Pages that are stored -------------------------------------------------------------------------


@site.get("/")
@revalidate(False, query=())
def home() -> str:
    """Kept until ``purge_path("/")``: see ``item_changed``."""
    counts = {kind: len(catalogue.items(kind)) for kind in KINDS}
    return render("home.html", counts=counts, notes=notes.latest(_db()))


def every_list() -> Iterator[dict[str, object]]:
    """What ``isgware build`` renders, as arguments of ``url_for``; likewise below."""
    for kind in KINDS:
        yield {"kind": kind}
        yield from ({"kind": kind, "page": number} for number in range(2, _last_page(kind) + 1))


@site.get(f"/<{KIND}>")
@revalidate(DAY, tags=["{kind}"], query=("page",), paths=every_list)
def item_list(kind: str) -> str:
    """One stored page for each ``?page=``; whatever else stands in the query changes nothing."""
    items = catalogue.items(kind)
    last = _last_page(kind)
    number = request.args.get("page", 1, type=int)
    if not 1 <= number <= last:
        abort(404)
    shown = items[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]
    return render("list.html", kind=kind, items=shown, number=number, last=last)


def every_item() -> Iterator[dict[str, str]]:
    for kind in KINDS:
        yield from ({"kind": kind, "code": item.code} for item in catalogue.items(kind))


@site.get(f"/<{KIND}>/<code>")
@revalidate(DAY, tags=["{kind}:{code}"], query=(), paths=every_item)
def item(kind: str, code: str) -> str:
    """With a form on it: each visitor's token is put in as the stored page is served."""
    found = _item_or_404(kind, code)
    return render(
        "item.html",
        item=found,
        related=catalogue.related(found),
        notes=notes.of_item(_db(), kind, code),
        form=NoteForm(),
    )


@site.get(f"/api/<{KIND}>/<code>.json")
@revalidate(DAY, tags=["{kind}:{code}"], query=(), paths=every_item)
def item_data(kind: str, code: str) -> dict[str, object]:
    """The same item as data: it has the HTML page's tag, so one purge renews both."""
    found = _item_or_404(kind, code)
    return {
        "code": found.code,
        "name": found.name,
        "facts": dict(found.facts),
        "related": [other.path for other in catalogue.related(found)],
        "notes": [note.text for note in notes.of_item(_db(), kind, code)],
    }


@site.get("/compare/<one>/<other>")
@revalidate(
    DAY,
    tags=["country:{one}", "country:{other}"],
    query=(),
    fallback="loading",
    loading_page=HERE / "templates" / "comparing.html",
)
def compare(one: str, other: str) -> str:
    """Two countries side by side: more pages than one would render beforehand.

    The first visitor gets ``comparing.html``, which shows what the two JSON routes know already.
    """
    found = [_item_or_404("country", code) for code in (one, other)]
    time.sleep(current_app.config["CATALOGUE_SLOW"])
    labels = list(dict.fromkeys(label for item in found for label in item.facts))
    related = [len(catalogue.related(item)) for item in found]
    return render("compare.html", countries=found, labels=labels, related=related)


@site.get("/names")
@revalidate(False, query=(), vary={"Accept-Language": LANGUAGES})
def names() -> Response:
    """One stored page for each language that is listed, however browsers spell their wishes."""
    language = request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]
    page.tag(f"names:{language}")
    countries = catalogue.country_names(language)
    response = make_response(render("names.html", countries=countries, language=language))
    response.content_language = [language]
    response.vary.add("Accept-Language")
    return response


@site.get("/now")
@revalidate(2, query=())
def now() -> str:
    """The time everywhere: two seconds fresh, then the old page at once and a new one behind it."""
    time.sleep(current_app.config["CATALOGUE_SLOW"])
    return render("now.html", countries=catalogue.times(catalogue.utc_now()))


@hole("editing")
def editing(kind: str, code: str) -> str:
    """The editor's own piece of a page that is everybody's. The other one is ``_account.html``."""
    if not current_user.is_authenticated:
        return ""
    return render("_editing.html", notes=notes.of_item(_db(), kind, code))


# What is never stored --------------------------------------------------------------------------


@site.get("/search")
def search() -> str:
    words = request.args.get("q", "").strip()[:100]
    return render("search.html", words=words, items=catalogue.search(words) if words else [])


@site.post(f"/<{KIND}>/<code>")
def add_note(kind: str, code: str) -> ResponseReturnValue:
    """A successful POST makes isgware purge the page of its own URL; others are ours to name."""
    found = _item_or_404(kind, code)
    notes.add(_db(), kind, code, _valid(NoteForm()).text.data)
    flash("Thank you for your note.")
    return item_changed(found)


@site.get("/notes/<int:note_id>/edit")
@login_required  # type: ignore[untyped-decorator]
def edit_note(note_id: int) -> str:
    note = notes.get(_db(), note_id) or abort(404)
    return render("edit.html", note=note, form=EditForm(text=note.text))


@site.post("/notes/<int:note_id>/edit")
@login_required  # type: ignore[untyped-decorator]
def save_note(note_id: int) -> ResponseReturnValue:
    note = notes.get(_db(), note_id) or abort(404)
    if "delete" in request.form:
        notes.remove(_db(), note_id)
    else:
        notes.change(_db(), note_id, _valid(EditForm()).text.data)
    return item_changed(_item_or_404(note.kind, note.code))


def item_changed(found: Item) -> ResponseReturnValue:
    """Purge what shows the item's notes, then send the visitor there: the new page is waiting."""
    isg = _isg()
    isg.purge_tag(found.tag)  # its HTML page and its JSON
    isg.purge_path("/")  # the latest notes
    return redirect(url_for(".item", kind=found.kind, code=found.code, _anchor="notes"), 303)


@site.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    form = LoginForm()
    if form.validate_on_submit():
        if editor := accounts.known(form.name.data, form.password.data):
            login_user(editor)
            flash("You are logged in: you may edit notes.")
            return redirect(url_for(".home"), 303)
        flash("That is not the right password.")
    return render("login.html", form=form, out=LogoutForm())


@site.post("/logout")
def logout() -> ResponseReturnValue:
    _valid(LogoutForm())
    logout_user()
    flash("You are logged out.")
    return redirect(url_for(".home"), 303)


@site.route("/api/revalidate", methods=["GET", "POST"])
def revalidate_route() -> ResponseReturnValue:
    """What a headless CMS calls after a change: ``/api/revalidate?secret=…&path=/country/FR``."""
    secret, given = current_app.config["CATALOGUE_SECRET"], request.values.get("secret", "")
    if not secret or not hmac.compare_digest(given.encode(), secret.encode()):
        return {"message": "Invalid token"}, 401
    try:
        _isg().regenerate(request.values.get("path", "/"))
    except InvalidPath as error:
        return {"message": str(error)}, 400
    except ISGError:
        # The page that was stored stays; whoever called may try again.
        return "Error revalidating", 500
    return {"revalidated": True}, 200


def _isg() -> ISG:
    isg: ISG = current_app.extensions["isgware"]
    return isg


def _db() -> str:
    file: str = current_app.config["CATALOGUE_DB"]
    return file


def _last_page(kind: str) -> int:
    return ceil(len(catalogue.items(kind)) / PAGE_SIZE)


def _item_or_404(kind: str, code: str) -> Item:
    return catalogue.find(kind, code) or abort(404)


def _valid(form: Any) -> Any:
    if not form.validate_on_submit():
        abort(400, " ".join(error for errors in form.errors.values() for error in errors))
    return form
