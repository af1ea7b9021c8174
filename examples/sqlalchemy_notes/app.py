"""A wall of notes, by topic. Write one, change it, move it to another topic: reload either page."""

import os
from pathlib import Path

from flask import Flask, abort, redirect, render_template_string, request
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from isgware import revalidate
from isgware.flask import ISG

VAR = Path(os.environ.get("NOTES_VAR", Path(__file__).parent / "var"))
TOPICS = ["bread", "roses", "rain"]
WALL = """<!doctype html><html lang="en"><title>{{ topic or "Notes" }}</title>
<nav><a href="/">all</a>
{% for each in topics %} <a href="/{{ each }}">{{ each }}</a>{% endfor %}</nav>
{% for note in notes %}<p>{{ note.text }} <a href="/edit/{{ note.id }}">edit</a></p>
{% else %}<p>Nothing yet.</p>{% endfor %}<a href="/edit">write</a>"""
FORM = """<!doctype html><html lang="en"><title>Write</title>
<form method="post"><textarea name="text" required maxlength="500">{{ note.text }}</textarea>
<select name="topic">{% for each in topics %}
<option {{ "selected" if loop.index0 == note.topic }}>{{ each }}</option>{% endfor %}</select>
<button>Save</button>{% if note.id %}<button name="delete" value="1">Delete</button>{% endif %}
</form>"""

db = SQLAlchemy()
# All that renews pages: each page is remembered with what it has read of the database.
isg = ISG(store=f"file:{VAR / 'pages'}", dependencies=True)


class Note(db.Model):  # type: ignore[name-defined,misc]
    id: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[int]  # the place in TOPICS: changes are told apart by numbers, not by texts
    text: Mapped[str]


app = Flask(__name__)
VAR.mkdir(exist_ok=True)
app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{VAR / 'notes.sqlite'}"
db.init_app(app)
isg.init_app(app)
with app.app_context():
    db.create_all()


@app.get("/")
@revalidate(False, query=())
def wall() -> str:
    notes = db.session.scalars(db.select(Note).order_by(Note.id.desc()).limit(50)).all()
    return render_template_string(WALL, topics=TOPICS, notes=notes)


@app.get("/<any(bread, roses, rain):topic>")
@revalidate(False, query=())
def by_topic(topic: str) -> str:
    wanted = db.select(Note).filter_by(topic=TOPICS.index(topic)).order_by(Note.id)
    notes = db.session.scalars(wanted).all()
    return render_template_string(WALL, topics=TOPICS, notes=notes, topic=topic)


@app.route("/edit", methods=["GET", "POST"])
@app.route("/edit/<int:note_id>", methods=["GET", "POST"])
def edit(note_id: int | None = None) -> ResponseReturnValue:
    """Not declared, so never stored; and it knows nothing of isgware."""
    note = db.get_or_404(Note, note_id) if note_id else Note(text="", topic=0)
    if request.method == "GET":
        return render_template_string(FORM, topics=TOPICS, note=note)
    if "delete" in request.form and note_id:
        db.session.delete(note)
    else:
        text, topic = request.form["text"][:500], request.form["topic"]
        if not text or topic not in TOPICS:
            abort(400)
        note.text, note.topic = text, TOPICS.index(topic)
        db.session.add(note)
    topic = TOPICS[note.topic]
    db.session.commit()
    return redirect(f"/{topic}", 303)
