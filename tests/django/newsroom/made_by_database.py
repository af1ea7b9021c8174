"""Edits of rows whose values the database makes, and of rows with keys of several columns."""

from django.db.models import F, Value

from .edits import edit, some
from .models import Author, Post, Rating, Seat


@edit
def rate(random):
    author, post = some(random, Author), some(random, Post)
    if author and post:
        stars = random.randint(0, 4)
        given = random.choice([stars, Value(stars) + 1])
        Rating.objects.filter(author=author, post=post).delete()
        Rating.objects.create(author=author, post=post, stars=given)


@edit
def upsert_ratings(random):
    author, post = some(random, Author), some(random, Post)
    if author and post:
        Rating.objects.bulk_create(
            [Rating(author=author, post=post, stars=random.randint(0, 4), kind=1)],
            update_conflicts=True, unique_fields=["author", "post"], update_fields=["stars"],
        )  # fmt: skip


@edit
def rate_again(random):
    if rating := some(random, Rating):
        rating.stars = random.randint(0, 4)
        rating.save()


@edit
def rate_all(random):
    Rating.objects.filter(stars__lt=3).update(stars=F("stars") + 1)


@edit
def rating_kind(random):
    Rating.objects.filter(stars=random.randint(0, 4)).update(kind=random.randint(1, 2))


@edit
def take_a_seat(random):
    row, number = random.randint(1, 3), random.randint(1, 3)
    seat = Seat.objects.filter(row=row, number=number).first() or Seat(row=row, number=number)
    seat.taken = not seat.taken
    seat.save()


@edit
def free_seats(random):
    Seat.objects.filter(row=random.randint(1, 3)).update(taken=False)


@edit
def remove_seats(random):
    Seat.objects.filter(row=random.randint(1, 3), taken=True).delete()
