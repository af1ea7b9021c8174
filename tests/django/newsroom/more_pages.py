"""More pages: of joins with conditions, models with keys of their own, and ways of asking."""

from uuid import UUID

from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.db.models import (
    CharField,
    Count,
    Exists,
    F,
    FilteredRelation,
    Func,
    Max,
    OuterRef,
    Q,
    Subquery,
    Value,
    Window,
)  # fmt: skip
from django.db.models.functions import Coalesce, Concat, RowNumber

from .models import Author, Comment, Draft, Post, Rating, Seat, Story, Topic
from .pages import page, row


@page
def cursor(n):
    with connection.cursor() as cursor:
        cursor.execute("SELECT title FROM newsroom_post WHERE id = %s", [n])
        return cursor.fetchall()


@page
def asynchronous(n):
    async def ask():
        found = [p.title async for p in Post.objects.filter(author=n).order_by("pk")]
        return found, await Comment.objects.filter(post=n).acount()

    return async_to_sync(ask)()


@page
def locked(n):
    with transaction.atomic():
        found = Post.objects.select_for_update().filter(pk=n)
        return [row(p) for p in found]


@page
def filtered_relation(n):
    some = FilteredRelation("comment", condition=Q(comment__approved=True))
    found = Post.objects.annotate(good=some).filter(good__isnull=False)
    return [(p.pk, p.text) for p in found.annotate(text=F("good__text")).order_by("pk", "text")]


@page
def outer_join(n):
    found = Author.objects.filter(Q(post__state="d") | Q(name="ann")).order_by("pk", "post__pk")
    return list(found.values_list("pk", "post__title"))


@page
def by_child(n):
    return [p.title for p in Post.objects.filter(story__mood="u").order_by("pk")]


@page
def by_parent(n):
    return [s.mood for s in Story.objects.filter(author=n, state="p").order_by("pk")]


@page
def story_values(n):
    return list(Story.objects.values_list("mood", "title").order_by("title", "pk"))


@page
def proxied(n):
    return [d.title for d in Draft.objects.filter(state="d", author=n).order_by("pk")]


@page
def by_number(n):
    return [row(p) for p in Post.objects.filter(uid=UUID(int=n)).order_by("pk")]


@page
def several(n):
    found = Post.objects.filter(author__in=[5, n, 1], views__in=[1, 2, n])
    return [(p.pk, p.views) for p in found.order_by("pk")]


@page
def either_value(n):
    found = Post.objects.filter(Q(views=n) | Q(views=n + 1), ~Q(state="d"))
    return [p.pk for p in found.order_by("pk")]


@page
def of_others(n):
    return [p.title for p in Post.objects.exclude(author=n).order_by("pk")]


@page
def same(n):
    return [p.title for p in Post.objects.filter(editor=F("author")).order_by("pk")]


@page
def in_range(n):
    return [p.title for p in Post.objects.filter(views__range=(n, n + 3)).order_by("-views", "pk")]


@page
def in_bulk_by_slug(n):
    found = Post.objects.in_bulk([f"s{n}", "s5"], field_name="slug")
    return sorted((slug, row(p)) for slug, p in found.items())


@page
def latest_of(n):
    found = Post.objects.filter(author=n)
    return row(found.latest("date", "pk")) if found else "none"


@page
def contains(n):
    return Post.objects.filter(state="p").contains(Post(pk=n))


@page
def deferred(n):
    return [(p.views, p.body, p.title) for p in Post.objects.only("views").filter(pk=n)]


@page
def only_by_slug(n):
    return [p.title for p in Post.objects.only("title").filter(slug=f"s{n}")]


@page
def refreshed(n):
    post = Post(pk=n)
    try:
        post.refresh_from_db(fields=["title", "state"])
    except Post.DoesNotExist:
        return "none"
    return post.title, post.state


@page
def related_only(n):
    found = Post.objects.select_related("author").only("title", "author__name").filter(views=n)
    return [(p.title, p.author.name) for p in found.order_by("pk")]


@page
def nested_prefetch(n):
    found = Author.objects.filter(pk=n).prefetch_related("post_set__comment_set", "friends")
    return [
        (a.name, sorted(f.name for f in a.friends.all()),
         [(p.title, [c.text for c in p.comment_set.all()]) for p in a.post_set.all()])
        for a in found
    ]  # fmt: skip


@page
def friends(n):
    return [a.pk for a in Author.objects.filter(friends=n, active=True).order_by("pk")]


@page
def without_friends(n):
    return [a.pk for a in Author.objects.exclude(friends__active=True).order_by("pk")]


@page
def topics_counted(n):
    return list(Topic.objects.annotate(n=Count("post")).values_list("code", "n").order_by("code"))


@page
def topic_of_posts(n):
    found = Topic.objects.filter(post__author=n, post__state="p").distinct()
    return list(found.values_list("label", flat=True).order_by("label"))


@page
def difference(n):
    drafts = Post.objects.filter(state="d").values_list("pk", flat=True)
    return sorted(Post.objects.filter(author=n).values_list("pk", flat=True).difference(drafts))


@page
def latest_comments(n):
    latest = Comment.objects.filter(post__author=n).values("post").annotate(m=Max("pk"))
    found = Comment.objects.filter(pk__in=Subquery(latest.values("m")))
    return [c.text for c in found.order_by("pk")]


@page
def column_of_the_outer_query(n):
    active = Author.objects.filter(pk=OuterRef("editor"), active=True)
    return [p.title for p in Post.objects.filter(Exists(active)).order_by("pk")]


@page
def annotated_subquery(n):
    most = Post.objects.filter(author=OuterRef("pk")).values("author").annotate(m=Max("views"))
    found = Author.objects.annotate(m=Subquery(most.values("m"))).order_by("pk")
    return list(found.values_list("pk", "m"))


@page
def selected_by_a_subquery(n):
    views = Post.objects.filter(state="p").values("views")
    return [a.name for a in Author.objects.filter(pk__in=views).order_by("pk")]


@page
def united_rows(n):
    found = Post.objects.filter(author=n).union(Post.objects.filter(state="d"))
    return sorted(map(row, found))


@page
def computed(n):
    named = Concat("title", Value("/"), Coalesce("editor__name", "author__name"))
    return list(Post.objects.annotate(x=named).values_list("pk", "x").order_by("pk"))


@page
def ratings(n):
    return [(r.pk, r.stars, r.twice, r.kind) for r in Rating.objects.filter(author=n)]


@page
def rated_once(n):
    found = Rating.objects.filter(author=n, post=n).first()
    return (found.stars, found.twice) if found else "none"


@page
def stars(n):
    return [r.pk for r in Rating.objects.filter(stars=n)]


@page
def marked(n):
    return list(Comment.objects.filter(mark="New").values_list("pk", flat=True).order_by("pk"))


@page
def without_facts(n):
    found = Comment.objects.filter(facts__isnull=True)
    return list(found.values_list("pk", flat=True).order_by("pk"))


@page
def facts(n):
    return list(Comment.objects.filter(facts__n=n).values_list("pk", flat=True).order_by("pk"))


@page
def nobody(n):
    return list(Post.objects.none()), Post.objects.filter(pk__in=[]).exists()


@page
def twice(n):
    return [r.pk for r in Rating.objects.filter(twice=2 * n).order_by("pk")]


@page
def counted_of_a_kind(n):
    return Rating.objects.filter(kind=2, twice__gt=n).count()


@page
def counted_by_number(n):
    return Post.objects.filter(uid=UUID(int=n), views__gt=3).count()


@page
def kinds(n):
    return [(r.pk, r.stars) for r in Rating.objects.filter(kind=1).only("stars")]


@page
def unrated(n):
    return list(Rating.objects.filter(post=None).values_list("stars", flat=True))


@page
def seat(n):
    found = Seat.objects.filter(row=1, number=n)
    return [s.taken for s in found]


@page
def seats(n):
    found = Seat.objects.filter(row=n, taken=False).order_by("number")
    return list(found.values_list("number", flat=True))


@page
def seats_counted(n):
    return Seat.objects.filter(taken=True).count()


@page
def windowed_first(n):
    ranked = Post.objects.annotate(r=Window(RowNumber(), order_by=[F("views").desc(), "pk"]))
    return [(p.pk, p.r) for p in ranked.order_by("pk")[:1]]


class Newest(Func):
    template = "(SELECT MAX(label) FROM newsroom_topic)"
    output_field = CharField()


@page
def own_expression(n):
    return list(Post.objects.annotate(x=Newest()).values_list("pk", "x").order_by("pk")[:1])


#: Pages that run SQL of the app's own, and so depend on everything.
RAW = ("cursor", "own_expression", "raw_query", "raw_subselect")
#: They write while they are rendered.
WRITING = ("counting",)
