"""The journal's posts and the shop's books. A real site would have them in its database."""

from dataclasses import dataclass

PLACES = ("harbour", "lighthouse", "slipway", "boatyard", "island", "marsh", "pier", "lock")
SUBJECTS = ("A morning at the", "What the tide left by the", "Books about the", "Rain over the",
            "The oldest map of the", "Letters from the")  # fmt: skip
BOOKS = ("Knots", "Gulls", "Fog", "Charts", "Winds", "Ropes", "Salt", "Lamps", "Bells", "Nets",
         "Currents", "Sails")  # fmt: skip
FORMS = ("A history of", "A handbook of")
TEXT = (
    "We closed the shop at noon and walked down with a flask of tea and a notebook.",
    "Nobody had been there since the clocks went back, and the boards were green.",
    "The shelf by the window is empty now, and that is as it should be in October.",
    "A reader wrote to say that the map on page nine is upside down. It is.",
    "There are three good books on this, and we have two of them in the shop.",
)


@dataclass(frozen=True)
class Post:
    slug: str
    title: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class Book:
    slug: str
    title: str
    cents: int


def _slug(title: str) -> str:
    return title.lower().replace(" ", "-")


def _paragraphs(number: int) -> tuple[str, ...]:
    return tuple(
        " ".join(TEXT[(number + line + word) % len(TEXT)] for word in range(5)) for line in range(8)
    )


_TITLES = [f"{subject} {place}" for place in PLACES for subject in SUBJECTS]
POSTS = {
    _slug(title): Post(_slug(title), title, _paragraphs(number))
    for number, title in enumerate(_TITLES)
}
_BOOKS = [f"{form} {book.lower()}" for form in FORMS for book in BOOKS]
SHELF = {
    _slug(title): Book(_slug(title), title, 900 + 150 * number)
    for number, title in enumerate(_BOOKS)
}


def related(slug: str) -> list[Post]:
    """Eight other posts, the nearest in the list."""
    posts = list(POSTS.values())
    at = next(number for number, post in enumerate(posts) if post.slug == slug)
    return [posts[(at + step) % len(posts)] for step in range(1, 9)]
