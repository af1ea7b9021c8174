"""What was worked out for one query holds for others of the same text: what is recorded of those
is what would be recorded without it."""

import datetime
import enum
import uuid

import pytest
from django.db.models import Exists, F, FilteredRelation, OuterRef, Q, Value
from django.db.models.expressions import RawSQL
from django.db.models.lookups import Exact, In
from django.utils import timezone

from isgware.core.database_reads import DatabaseReads
from isgware.django import query_plans, recorded_queries
from isgware.render_context import database

from .newsroom.site import newsroom as newsroom

UIDS = [uuid.UUID(int=number) for number in (1, 2)]


@pytest.fixture
def models(newsroom, tmp_path):
    room = newsroom(f"file:{tmp_path}/store")
    models = room.models
    authors = [models.Author.objects.create(name=name) for name in ("ann", "bob")]
    for number in (1, 2, 3):
        post = models.Post.objects.create(
            title=f"post {number}", slug=f"s{number}", date=datetime.date(2020, 1, number),
            author=authors[number % 2], uid=uuid.UUID(int=number),
        )  # fmt: skip
        models.Comment.objects.create(post=post, text="I see.", approved=number != 2)
    return models


def plans():
    return recorded_queries._active[0].reads._plans


def recorded(read):
    reads = DatabaseReads()
    token = database.set(reads)
    try:
        shown = read()
    finally:
        database.reset(token)
    found = reads.finished({})
    return shown, set(found.texts.split("\n")), found.names


class Kind(enum.IntEnum):
    FIRST = 1


COUNTED = "(SELECT count(*) FROM newsroom_comment)"


def with_posts(models, **conditions):
    posts = models.Post.objects.filter(author=OuterRef("pk"), **conditions)
    return list(models.Author.objects.filter(Exists(posts)))


def with_comments_of(models, number):
    condition = Q(comment__post=number)
    posts = models.Post.objects.annotate(c=FilteredRelation("comment", condition=condition))
    return list(posts.filter(c__text="x"))


def topics_of(posts):
    return [list(post.topics.all()) for post in posts.prefetch_related("topics")]


def by(models, number, **conditions):
    return models.Post.objects.filter(author=number, **conditions)


#: Queries of one text for different numbers.
QUERIES = {
    "equal to a number": lambda m, n: list(by(m, n)),
    "one of several": lambda m, n: list(
        m.Post.objects.filter(author__in=[n, n + 6]).values("title")
    ),
    "a UUID": lambda m, n: list(m.Post.objects.filter(uid=UIDS[n - 1]).values("title")),
    "through a join": lambda m, n: list(m.Comment.objects.filter(post__author=n, approved=True)),
    "nested": lambda m, n: list(m.Post.objects.filter(Q(author=n) & (Q(views=n) & Q(title="x")))),
    "a subquery": lambda m, n: with_posts(m, views=n),
    "a subquery of a text": lambda m, n: with_posts(m, title=f"x{n}"),
    "a subquery of keys": lambda m, n: list(
        m.Post.objects.filter(author__in=m.Author.objects.filter(mentor=n))
    ),
    "a relation with conditions": with_comments_of,
    "SQL of the app's own": lambda m, n: list(by(m, n).annotate(n=RawSQL(COUNTED, ()))),
    "a union": lambda m, n: list(by(m, n).union(m.Post.objects.filter(views=n))),
    "a count": lambda m, n: by(m, n).count(),
    "an aggregate of a slice": lambda m, n: by(m, n)[:2].count(),
    "an iterator": lambda m, n: [post.pk for post in by(m, n).iterator(1)],
    "prefetched": lambda m, n: topics_of(by(m, n)),
    "some columns": lambda m, n: list(by(m, n).only("title")),
    "of a parent": lambda m, n: list(m.Story.objects.filter(author=n)),
    "of a proxy first": lambda m, n: list((m.Draft, m.Post)[n - 1].objects.filter(author=n)),
    "more combinations than are told apart": lambda m, n: list(
        m.Post.objects.filter(author__in=range(n, n + 20), views__in=range(n, n + 6)).values(
            "title"
        )
    ),
}
#: Pairs of other queries, each of one text. A page runs the one, and then the other.
PAIRS = {
    "a row that is there, and one that is not": (
        lambda m: m.Post.objects.filter(pk=1).first(),
        lambda m: m.Post.objects.filter(pk=9).first(),
    ),
    "a row that is not there, and one that is": (
        lambda m: m.Post.objects.filter(slug="s9").first(),
        lambda m: m.Post.objects.filter(slug="s1").first(),
    ),
    "a number, and an expression": (
        lambda m: list(m.Post.objects.filter(views=1)),
        lambda m: list(m.Post.objects.filter(views=Value(2))),
    ),
    "an expression, and a number": (
        lambda m: list(m.Post.objects.filter(views=Value(1))),
        lambda m: list(m.Post.objects.filter(views=2)),
    ),
    "a number of the app's own kind, and a number": (
        lambda m: m.Author.objects.filter(Exact(F("pk"), Kind.FIRST)).first(),
        lambda m: m.Author.objects.filter(pk=9).first(),
    ),
    "numbers of the app's own kind, and numbers": (
        lambda m: list(m.Post.objects.filter(In(F("views"), [Kind.FIRST, 2])).values("title")),
        lambda m: list(m.Post.objects.filter(views__in=[1, 2]).values("title")),
    ),
    "a number, and a boolean": (
        lambda m: list(m.Post.objects.filter(Exact(F("views"), 2))),
        lambda m: list(m.Post.objects.filter(Exact(F("views"), True))),
    ),
    "an alternative that can never be": (
        lambda m: list(by(m, 1).values("title")),
        lambda m: list(m.Post.objects.filter(Q(author=2) | Q(pk__in=[])).values("title")),
    ),
    "a condition that always is, before": (
        lambda m: list(by(m, 1, views=3).values("title")),
        lambda m: list(m.Post.objects.filter(~Q(pk__in=[]), author=2, views=4).values("title")),
    ),
    "in another place": (
        lambda m: list(by(m, 1, views=3).values("title")),
        lambda m: list(m.Post.objects.filter(~Q(pk__in=[]) & Q(author=2), views=4).values("title")),
    ),
    "a day, and today": (
        lambda m: list(m.Post.objects.filter(date__lte=datetime.date(2000, 1, 1))),
        lambda m: list(m.Post.objects.filter(date__lte=timezone.localdate())),
    ),
    "a day as an expression, and today": (
        lambda m: list(m.Post.objects.filter(date__lte=Value(datetime.date(2000, 1, 1)))),
        lambda m: list(m.Post.objects.filter(date__lte=timezone.localdate())),
    ),
    **{
        name: (lambda m, query=query: query(m, 1), lambda m, query=query: query(m, 2))
        for name, query in QUERIES.items()
    },
}


@pytest.mark.parametrize(("first", "second"), PAIRS.values(), ids=PAIRS)
def test_a_query_is_recorded_as_if_it_were_the_first_of_its_text(models, first, second):
    recorded(lambda: first(models))
    shown, texts, names = recorded(lambda: second(models))
    plans()._known.clear()
    assert recorded(lambda: second(models)) == (shown, texts, names)


def test_a_query_of_the_same_text_is_not_looked_at_again(models, monkeypatch):
    recorded(lambda: list(models.Post.objects.filter(author=1).select_related("author")))
    monkeypatch.setattr("isgware.django.query_reads._Query", None)
    _, texts, _ = recorded(
        lambda: list(models.Post.objects.filter(author=2).select_related("author"))
    )
    assert {"newsroom_author:2", "newsroom_post:1", "newsroom_post:3"} < texts


def test_tables_that_are_joined_by_other_fields_are_looked_at_anew(models):
    posts = models.Post.objects.filter(author__name="ann")
    recorded(lambda: list(posts.all()))
    (plan,) = plans()._known.values()
    assert plan.texts_in(posts.query) == []
    other = plan._replace(joined_by=(None, models.Post._meta.get_field("editor")))
    assert other.texts_in(posts.query) is None


def test_what_is_remembered_is_bounded(models, monkeypatch):
    monkeypatch.setattr(query_plans, "_MAX_PLANS", 3)
    for count in range(1, 9):
        recorded(lambda count=count: list(models.Post.objects.filter(author__in=range(count))))
    assert 0 < len(plans()._known) <= 3
    monkeypatch.setattr(query_plans, "_MAX_TEXT", 10)
    plans()._known.clear()
    recorded(lambda: list(models.Post.objects.filter(author=1)))
    assert not plans()._known


def test_subqueries_of_a_table_of_several_models_are_looked_at_each_time(models):
    comments = models.Comment.objects.filter(text=OuterRef("title"))
    posts = models.Post.objects.filter(Exists(comments))
    tables = recorded_queries._active[0].tables
    assert tables.shared == {"newsroom_post"}  # not in a subquery
    tables.shared.add("newsroom_comment")
    recorded(lambda: list(posts.all()))
    assert not plans()._known
    tables.shared.remove("newsroom_comment")
    recorded(lambda: list(posts.all()))
    assert plans()._known


@pytest.mark.parametrize(
    "condition",
    [
        Q(views=1), Q(post=1), Q(author__in=[1]), ~Q(author=1), Q(author=1) | Q(views=1),
        Q(Q(author=1), Q(views=1), _connector="XOR"), Q(title="x") & Q(author=1),
        Q(author__mentor=1), Q(author=F("views")),
    ],
    ids=str,
)  # fmt: skip
def test_no_value_is_taken_from_another_lookup(models, condition):
    recorded(lambda: list(models.Rating.objects.filter(author=2)))
    (plan,) = plans()._known.values()
    (equality,) = plan.equalities
    assert equality.texts_in(models.Rating.objects.filter(author=5).query.where) == ["5"]
    kind = models.Rating
    if any(name in str(condition) for name in ("views", "title")):
        kind = models.Post
    assert equality.texts_in(kind.objects.filter(condition).query.where) is None
    assert equality.texts_in(kind.objects.all().query.where) is None
