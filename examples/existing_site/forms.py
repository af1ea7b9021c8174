"""The forms, by Flask-WTF: each has a CSRF token of its visitor."""

from flask_wtf import FlaskForm
from wtforms import BooleanField, PasswordField, StringField, SubmitField, TextAreaField
from wtforms.validators import InputRequired, Length


class CommentForm(FlaskForm):  # type: ignore[misc]
    name = StringField("Your name", [InputRequired(), Length(max=40)])
    text = TextAreaField("Your comment", [InputRequired(), Length(max=500)])
    send = SubmitField("Comment")


class AddForm(FlaskForm):  # type: ignore[misc]
    add = SubmitField("Into the basket")


class LoginForm(FlaskForm):  # type: ignore[misc]
    name = StringField("Name", [InputRequired(), Length(max=40)])
    password = PasswordField("Password", [InputRequired(), Length(max=100)])
    remember = BooleanField("Remember me")
    log_in = SubmitField("Log in")


class LogoutForm(FlaskForm):  # type: ignore[misc]
    log_out = SubmitField("Log out")
