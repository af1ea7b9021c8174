"""Who may change and delete notes. A site of its own would have accounts in its database."""

from functools import cache

from flask import current_app
from flask_login import UserMixin
from werkzeug.security import check_password_hash, generate_password_hash

EDITOR = "editor"


class Editor(UserMixin):  # type: ignore[misc]
    id = EDITOR


def find(name: str) -> Editor | None:
    return Editor() if name == EDITOR else None


def known(name: str, password: str) -> Editor | None:
    """The account of that name, if the password is its own."""
    right = check_password_hash(_hash(current_app.config["CATALOGUE_PASSWORD"]), password)
    return find(name) if right else None


@cache
def _hash(password: str) -> str:
    return generate_password_hash(password)
