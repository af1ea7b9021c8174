"""The forms. Flask-WTF gives each visitor a token of their own, on stored pages, too."""

from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField, SubmitField, TextAreaField
from wtforms.validators import InputRequired, Length

from . import notes


class NoteForm(FlaskForm):  # type: ignore[misc]
    text = TextAreaField(
        "Your note",
        [InputRequired(), Length(max=notes.LENGTH)],
        filters=[lambda s: s and s.strip()],
    )
    save = SubmitField("Add the note")


class EditForm(NoteForm):
    save = SubmitField("Save")
    delete = SubmitField("Delete")


class LoginForm(FlaskForm):  # type: ignore[misc]
    name = StringField("Name", [InputRequired(), Length(max=40)])
    password = PasswordField("Password", [InputRequired(), Length(max=100)])
    log_in = SubmitField("Log in")


class LogoutForm(FlaskForm):  # type: ignore[misc]
    log_out = SubmitField("Log out")
