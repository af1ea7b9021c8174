"""Pages with every kind of read. Each takes the number of a record, which may not be there."""

from django.db.models import (
    Avg,
    Case,
    Count,
    Exists,
    F,
    Max,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    Sum,
    Value,
    When,
    Window,
)  # fmt: skip
from django.db.models.expressions import RawSQL
from django.db.models.functions import Lower, RowNumber

from .models import Author, Comment, Post, Story, Topic

PAGES = {}


def page(view):
    PAGES[view.__name__] = view
    return view


def row(post):
    return f"{post.pk} {post.title} {post.date} {post.price} {post.state} {post.views}"


@page
def post(n):
    found = Post.objects.filter(pk=n).first()
    return row(found) if found else "none"


@page
def get(n):
    try:
        return row(Post.objects.get(pk=n))
    except Post.DoesNotExist:
        return "none"


@page
def by_slug(n):
    try:
        return row(Post.objects.get(slug=f"s{n}"))
    except Post.DoesNotExist:
        return "none"


@page
def related(n):
    found = Post.objects.select_related("author__mentor", "editor").filter(pk=n)
    return [
        (
            row(p),
            p.author.name,
            p.author.mentor and p.author.mentor.name,
            p.editor and p.editor.name,
        )
        for p in found
    ]


@page
def lazy(n):
    return [(p.title, p.author.name, p.editor and p.editor.name) for p in Post.objects.filter(pk=n)]


@page
def of_author(n):
    return [row(p) for p in Post.objects.filter(author=n).order_by("-date", "pk")]


@page
def latest(n):
    return [p.title for p in Post.objects.filter(state="p").order_by("-date", "-pk")[:3]]


@page
def only(n):
    return [p.title for p in Post.objects.only("title").filter(author_id=n).order_by("pk")]


@page
def defer(n):
    return [(p.title, p.views) for p in Post.objects.defer("body", "price").filter(pk=n)]


@page
def values(n):
    return list(Post.objects.values("title", "author__name").order_by("title", "author__name"))


@page
def values_with_key(n):
    return list(Post.objects.values_list("pk", "title").filter(author=n).order_by("pk"))


@page
def flat(n):
    return list(Topic.objects.values_list("label", flat=True).order_by("label"))


@page
def in_bulk(n):
    return sorted((k, p.title) for k, p in Post.objects.in_bulk([n, n + 1]).items())


@page
def count(n):
    return Post.objects.filter(author=n).count()


@page
def exists(n):
    return Comment.objects.filter(post=n, approved=True).exists()


@page
def aggregate(n):
    return Post.objects.filter(author=n).aggregate(Sum("views"), Max("date"), Avg("price"))


@page
def annotated(n):
    found = Author.objects.annotate(posts=Count("post")).order_by("pk")
    return [(a.pk, a.name, a.posts) for a in found]


@page
def filtered_annotation(n):
    found = Author.objects.annotate(s=Sum("post__views", filter=Q(post__state="p")))
    return [(a.pk, a.s) for a in found.order_by("pk")]


@page
def grouped(n):
    return list(Post.objects.values("state").annotate(n=Count("pk")).order_by("state"))


@page
def having(n):
    found = Author.objects.annotate(c=Count("post__comment")).filter(c__gt=1)
    return list(found.values_list("name", flat=True).order_by("pk"))


@page
def distinct(n):
    return list(Author.objects.filter(post__comment__approved=True).distinct().order_by("pk")
                .values_list("name", flat=True))  # fmt: skip


@page
def exists_subquery(n):
    inner = Comment.objects.filter(post=OuterRef("pk"), approved=True)
    return [p.title for p in Post.objects.filter(Exists(inner), author=n).order_by("pk")]


@page
def subquery(n):
    latest = Comment.objects.filter(post=OuterRef("pk")).order_by("-pk").values("text")[:1]
    return [(p.pk, p.last) for p in Post.objects.annotate(last=Subquery(latest)).order_by("pk")]


@page
def in_subquery(n):
    active = Author.objects.filter(active=True)
    return [p.title for p in Post.objects.filter(author__in=active).order_by("pk")]


@page
def through_relation(n):
    return [p.title for p in Post.objects.filter(author__name="ann").order_by("pk")]


@page
def excluded(n):
    return [p.title for p in Post.objects.exclude(comment__approved=False).order_by("pk")]


@page
def no_editor(n):
    return [p.title for p in Post.objects.filter(editor=None).order_by("pk")]


@page
def no_editor_by_join(n):
    return [p.title for p in Post.objects.filter(editor__name__isnull=True).order_by("pk")]


@page
def without_comments(n):
    return [p.title for p in Post.objects.filter(comment__isnull=True).order_by("pk")]


@page
def either(n):
    return [p.title for p in Post.objects.filter(Q(author=n) | Q(editor=n)).order_by("pk")]


@page
def some(n):
    return [p.title for p in Post.objects.filter(author__in=[n + 5, 1, 2]).order_by("pk")]


@page
def ordered_by_relation(n):
    return [p.title for p in Post.objects.order_by("author__name", "pk")[:4]]


@page
def reverse(n):
    return [
        (a.name, [c.title for c in a.post_set.order_by("pk")]) for a in Author.objects.filter(pk=n)
    ]


@page
def prefetched(n):
    found = Post.objects.filter(author=n).prefetch_related("topics", "comment_set", "author")
    return [
        (p.title, sorted(t.label for t in p.topics.all()), [c.text for c in p.comment_set.all()])
        for p in found.order_by("pk")
    ]


@page
def prefetched_some(n):
    some = Prefetch("comment_set", Comment.objects.filter(approved=True).order_by("pk"), "good")
    found = Post.objects.filter(pk__in=[n, n + 1]).prefetch_related(some)
    return [(p.pk, [c.text for c in p.good]) for p in found.order_by("pk")]


@page
def many_to_many(n):
    return [p.title for p in Post.objects.filter(topics="T1").order_by("pk")]


@page
def many_to_many_back(n):
    return [t.label for t in Topic.objects.filter(post=n).order_by("pk")]


@page
def topic(n):
    return [t.label for t in Topic.objects.filter(pk=f"t{n}")]


@page
def inherited(n):
    return [(s.title, s.mood) for s in Story.objects.order_by("pk")]


@page
def one_inherited(n):
    return [(s.title, s.mood) for s in Story.objects.filter(pk=n)]


@page
def child(n):
    found = Post.objects.select_related("story").filter(pk=n)
    return [(p.title, hasattr(p, "story") and p.story.mood) for p in found]


@page
def case_insensitive(n):
    return [a.pk for a in Author.objects.filter(name="ANN").order_by("pk")]


@page
def by_uid(n):
    first = Post.objects.order_by("pk").first()
    return [row(p) for p in Post.objects.filter(uid=first.uid)] if first else "none"


@page
def decimals(n):
    return [p.title for p in Post.objects.filter(price="1.50").order_by("pk")]


@page
def dates(n):
    return [p.title for p in Post.objects.filter(date__year=2024).order_by("pk")], list(
        Post.objects.dates("date", "month")
    )


@page
def united(n):
    one, other = Post.objects.filter(author=n), Post.objects.filter(state="d")
    return sorted(one.values_list("title", flat=True).union(other.values_list("title", flat=True)))


@page
def windowed(n):
    ranked = Post.objects.annotate(
        r=Window(RowNumber(), order_by=[F("views").desc(), F("pk").asc()])
    )
    return [(p.pk, p.r) for p in ranked.order_by("r")]


@page
def conditional(n):
    kind = Case(When(views__gt=5, then=Value("hot")), default=Value("cold"))
    return [(p.pk, p.kind) for p in Post.objects.annotate(kind=kind).order_by("pk")]


@page
def functions(n):
    return list(Post.objects.annotate(l=Lower("title")).values_list("l", flat=True).order_by("l"))


@page
def raw_expression(n):
    doubled = Post.objects.annotate(w=RawSQL("views * 2", ()))
    return [p.w for p in doubled.filter(w__gt=3 * n).order_by("pk")]


@page
def raw_subselect(n):
    """Of a view of the database."""
    counted = RawSQL("(SELECT count(*) FROM newsroom_said)", ())
    return [p.c for p in Post.objects.annotate(c=counted).order_by("pk")[:1]]


@page
def extra(n):
    return [p.title for p in Post.objects.extra(where=["views > 3"]).order_by("pk")]


@page
def raw_query(n):
    return [p.title for p in Post.objects.raw("SELECT * FROM newsroom_post ORDER BY id LIMIT 2")]


@page
def iterated(n):
    return [row(p) for p in Post.objects.order_by("pk").iterator(chunk_size=2)]


@page
def sliced_count(n):
    return Post.objects.filter(state="p")[:3].count()


@page
def counting(n):
    Post.objects.filter(pk=n).update(views=F("views") + 1)
    return [p.title for p in Post.objects.filter(pk=n)]


@page
def earliest(n):
    return [getattr(Post.objects.order_by("date", "pk").first(), "title", None)]
