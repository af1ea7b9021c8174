"""Who may log in. A shop would have them in its database."""

from functools import cache

from flask_login import UserMixin
from werkzeug.security import check_password_hash, generate_password_hash

PASSWORDS = {"ada": "spindrift", "ben": "barnacle", "cleo": "kittiwake"}


class Member(UserMixin):  # type: ignore[misc]
    def __init__(self, name: str) -> None:
        self.id = name


def find(name: str) -> Member | None:
    return Member(name) if name in PASSWORDS else None


def known(name: str, password: str) -> Member | None:
    """The member of that name, if the password is theirs."""
    member = find(name)
    return member if member and check_password_hash(_hash(name), password) else None


@cache
def _hash(name: str) -> str:
    return generate_password_hash(PASSWORDS[name])
