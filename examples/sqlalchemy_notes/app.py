"""A wall of notes, by topic. Write one, change it, move it to another topic: reload either page."""

import os
from pathlib import Path

from flask import Flask, abort, redirect, render_template_string, request
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Mapped, mapped_column

from isgware import revalidate
from isgware.flask import ISG
from isgware.sqlalchemy import revalidate_on_change

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
<option {{ "selected" if each == note.topic }}>{{ each }}</option>{% endfor %}</select>
<button>Save</button>{% if note.id %}<button name="delete" value="1">Delete</button>{% endif %}
</form>"""

db = SQLAlchemy()
isg = ISG(store=f"file:{VAR / 'pages'}")


class Note(db.Model):  # type: ignore[name-defined,misc]
    id: Mapped[int] = mapped_column(primary_key=True)
    topic: Mapped[str]
    text: Mapped[str]


# All that purges, wherever a session is committed. A note that moves renews both topics.
revalidate_on_change(Note, isg, tags=["notes", "topic:{topic}"])

app = Flask(__name__)
VAR.mkdir(exist_ok=True)
app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{VAR / 'notes.sqlite'}"
db.init_app(app)
isg.init_app(app)
with app.app_context():
    db.create_all()


@app.get("/")
@revalidate(False, tags=["notes"], query=())
def wall() -> str:
    notes = db.session.scalars(db.select(Note).order_by(Note.id.desc()).limit(50)).all()
    return render_template_string(WALL, topics=TOPICS, notes=notes)


@app.get("/<any(bread, roses, rain):topic>")
@revalidate(False, tags=["topic:{topic}"], query=())
def by_topic(topic: str) -> str:
    notes = db.session.scalars(db.select(Note).filter_by(topic=topic).order_by(Note.id)).all()
    return render_template_string(WALL, topics=TOPICS, notes=notes, topic=topic)


@app.route("/edit", methods=["GET", "POST"])
@app.route("/edit/<int:note_id>", methods=["GET", "POST"])
def edit(note_id: int | None = None) -> ResponseReturnValue:
    """Not declared, so never stored; and it knows nothing of isgware."""
    note = db.get_or_404(Note, note_id) if note_id else Note(text="", topic=TOPICS[0])
    if request.method == "GET":
        return render_template_string(FORM, topics=TOPICS, note=note)
    if "delete" in request.form and note_id:
        db.session.delete(note)
    else:
        note.text, note.topic = request.form["text"][:500], request.form["topic"]
        if not note.text or note.topic not in TOPICS:
            abort(400)
        db.session.add(note)
    db.session.commit()
    return redirect(f"/{note.topic}", 303)
