"""Every kind of write, each with random arguments."""

import datetime
from uuid import UUID

from django.db.models import F, JSONField, Value
from django.db.models.functions import Upper

from .models import Author, Comment, Draft, Post, Rating, Seat, Story, Topic

EDITS = {}


def edit(function):
    EDITS[function.__name__] = function
    return function


def some(random, model):
    keys = list(model.objects.values_list("pk", flat=True))
    return model.objects.get(pk=random.choice(keys)) if keys else None


def day(random):
    return datetime.date(random.choice([2023, 2024]), random.randint(1, 12), 1)


def new_post(random, kind=Post, **fields):
    number = random.randint(1, 10**6)
    free = [n for n in range(1, 8) if not Post.objects.filter(slug=f"s{n}").exists()]
    slug = f"s{free[0]}" if free and random.random() < 0.7 else f"x{number}"
    author = some(random, Author) or Author.objects.create(name="ann")
    return kind(
        title=f"t{number}", slug=slug, date=day(random), author=author,
        price=random.choice([None, "1.50", "2"]), state=random.choice("dp"),
        views=random.randint(0, 9), uid=UUID(int=random.randint(1, 4)), **fields,
    )  # fmt: skip


@edit
def create(random):
    new_post(random).save()


@edit
def create_story(random):
    new_post(random, Story, mood="calm").save()


@edit
def title(random):
    if post := some(random, Post):
        post.title = f"n{random.randint(1, 99)}"
        post.save()


@edit
def price(random):
    if post := some(random, Post):
        post.price = random.choice([None, "1.50", "1.5", "3"])
        post.save(update_fields=["price"])


@edit
def when(random):
    if post := some(random, Post):
        post.date = day(random)
        post.save()


@edit
def move(random):
    post, author = some(random, Post), some(random, Author)
    if post and author:
        post.author = author
        post.editor = random.choice([None, author])
        post.save()


@edit
def move_by_update(random):
    if author := some(random, Author):
        Post.objects.filter(state=random.choice("dp")).update(author=author)


@edit
def slug(random):
    if post := some(random, Post):
        free = [n for n in range(1, 8) if not Post.objects.filter(slug=f"s{n}").exists()]
        post.slug = f"s{free[-1]}" if free else f"y{random.randint(1, 10**6)}"
        post.save()


@edit
def count_up(random):
    Post.objects.filter(views__lt=random.randint(0, 9)).update(views=F("views") + 1)


@edit
def bulk_update(random):
    posts = list(Post.objects.all()[:3])
    for post in posts:
        post.state = random.choice("dp")
    Post.objects.bulk_update(posts, ["state"])


@edit
def bulk_move(random):
    posts = list(Post.objects.order_by("-pk")[:3])
    for post in posts:
        post.author, post.views = some(random, Author), random.choice([1, F("views") + 1])
    Post.objects.bulk_update(posts, ["author", "views"])


@edit
def count_up_one(random):
    if post := some(random, Post):
        post.views = F("views") + 1
        post.save(update_fields=["views"])


@edit
def number(random):
    if post := some(random, Post):
        post.uid = UUID(int=random.randint(1, 4))
        post.save()


@edit
def shout(random):
    Post.objects.filter(pk__lt=random.randint(1, 6)).update(title=Upper("title"), state="p")


@edit
def update_to_nothing(random):
    Post.objects.filter(pk__in=[]).update(title="never")
    Comment.objects.filter(pk__in=[]).delete()


@edit
def draft(random):
    if found := some(random, Draft):
        found.state = "d"
        found.save()


@edit
def copy(random):
    if post := some(random, Post):
        post.pk, post.slug = None, f"z{random.randint(1, 10**6)}"
        post._state.adding = True
        post.save()


@edit
def overwrite(random):
    """A row that nobody has loaded."""
    if keys := list(Topic.objects.values_list("pk", flat=True)):
        Topic(code=random.choice(keys), label=f"o{random.randint(1, 99)}").save()


@edit
def another_key(random):
    free = Topic.objects.filter(post=None).order_by("pk").first()
    code = f"t{random.randint(4, 6)}"
    if free and not Topic.objects.filter(pk=code).exists():
        Topic.objects.filter(pk=free.pk).update(code=code)


@edit
def promote(random):
    posts = Post.objects.filter(story=None)
    if posts:
        Story(post_ptr=random.choice(list(posts)), mood="new").save_base(raw=True)


@edit
def bulk_create(random):
    Comment.objects.bulk_create(
        Comment(post=post, text=f"b{random.randint(1, 99)}", approved=random.random() < 0.5)
        for post in Post.objects.all()[:2]
    )


@edit
def upsert(random):
    Topic.objects.bulk_create(
        [Topic(code=f"t{n}", label=f"l{random.randint(1, 99)}") for n in (1, 2)],
        update_conflicts=True, unique_fields=["code"], update_fields=["label"],
    )  # fmt: skip


@edit
def upsert_posts(random):
    author = some(random, Author) or Author.objects.create(name="ann")
    Post.objects.bulk_create(
        [Post(title=f"up{n}", slug=f"s{n}", date=day(random), author=author,
              views=random.randint(0, 9)) for n in (1, random.randint(2, 9))],
        update_conflicts=True, unique_fields=["slug"], update_fields=["title", "author", "views"],
    )  # fmt: skip


@edit
def ignore_posts(random):
    posts = [new_post(random) for _ in range(2)]
    Post.objects.bulk_create(posts, ignore_conflicts=True)


@edit
def ignore_conflicts(random):
    Topic.objects.bulk_create(
        [Topic(code=f"t{random.randint(1, 4)}", label="i")], ignore_conflicts=True
    )


@edit
def get_or_create(random):
    Topic.objects.get_or_create(code=f"T{random.randint(1, 5)}", defaults={"label": "got"})


@edit
def delete_post(random):
    if post := some(random, Post):
        post.delete()


@edit
def delete_posts(random):
    Post.objects.filter(views__gt=random.randint(4, 12)).delete()


@edit
def delete_story(random):
    if found := some(random, Story):
        found.delete(keep_parents=random.random() < 0.5)


@edit
def delete_topic(random):
    if topic := some(random, Topic):
        topic.delete()


@edit
def delete_at_once(random):
    Comment.objects.filter(post=some(random, Post))._raw_delete("default")


@edit
def delete_author(random):
    if (author := some(random, Author)) and random.random() < 0.3:
        author.delete()


@edit
def fast_delete(random):
    Comment.objects.filter(text__startswith="b").delete()


@edit
def comment(random):
    if post := some(random, Post):
        post.comment_set.create(text=f"c{random.randint(1, 99)}", approved=random.random() < 0.7)


@edit
def facts(random):
    if found := some(random, Comment):
        n = random.randint(1, 3)
        found.facts = random.choice([None, Value(None, JSONField()), {"n": n}])
        found.save()


@edit
def save_as_loaded(random):
    """What fields make of two values of the database may be one."""
    for found in Comment.objects.all()[:3]:
        found.save()


@edit
def approve(random):
    if found := some(random, Comment):
        found.approved = not found.approved
        found.save()


@edit
def topics_add(random):
    post, topic = some(random, Post), some(random, Topic)
    if post and topic:
        post.topics.add(topic)


@edit
def topics_clear(random):
    if topic := some(random, Topic):
        topic.post_set.clear()


@edit
def rename_author(random):
    if author := some(random, Author):
        author.name = random.choice(["ann", "ANN", "bob", "eve"])
        author.active = random.random() < 0.6
        author.mentor = random.choice([None, some(random, Author)])
        author.save()


@edit
def rename_by_update(random):
    Author.objects.filter(name="ann").update(name="Anna")


@edit
def story(random):
    if found := some(random, Story):
        found.mood, found.title = f"m{random.randint(1, 9)}", f"st{random.randint(1, 99)}"
        found.save()


@edit
def story_by_update(random):
    Story.objects.filter(views__gte=0).update(title=f"su{random.randint(1, 99)}", mood="u")


@edit
def nothing(random):
    if post := some(random, Post):
        post.save()


@edit
def many_to_many_by_hand(random):
    through = Post.topics.through
    post, topic = some(random, Post), some(random, Topic)
    if post and topic and not through.objects.filter(post=post, topic=topic).exists():
        through.objects.create(post=post, topic=topic)


@edit
def topics_remove(random):
    if topic := some(random, Topic):
        topic.post_set.remove(*topic.post_set.all()[:1])


@edit
def topics_create(random):
    if post := some(random, Post):
        post.topics.create(code=f"n{random.randint(1, 10**6)}", label="made")


@edit
def befriend(random):
    one, other = some(random, Author), some(random, Author)
    if one and other:
        random.choice([one.friends.add, one.friends.remove])(other)


def fill(random):
    """What there is at the beginning."""
    ann, bob = (Author.objects.create(name=name) for name in ("ann", "Bob"))
    for number in range(1, 4):
        Topic.objects.create(code=f"T{number}", label=f"l{number}")
        author = random.choice((ann, bob))
        post = Post.objects.create(
            title=f"p{number}", slug=f"s{number}", date=day(random), author=author,
            views=number, uid=UUID(int=number),
        )  # fmt: skip
        post.comment_set.create(text=f"c{number}")
        Seat.objects.create(row=number, number=1)
        Rating.objects.create(author=author, post=post, stars=number)
