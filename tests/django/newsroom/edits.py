"""Every kind of write, each with random arguments."""

import datetime

from django.db import connection, transaction
from django.db.models import F

from .models import Author, Comment, Post, Story, Topic

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
        views=random.randint(0, 9), **fields,
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
def ignore_conflicts(random):
    Topic.objects.bulk_create(
        [Topic(code=f"t{random.randint(1, 4)}", label="i")], ignore_conflicts=True
    )


@edit
def get_or_create(random):
    Topic.objects.get_or_create(code=f"T{random.randint(1, 5)}", defaults={"label": "got"})


@edit
def update_or_create(random):
    code = f"t{random.randint(1, 3)}"
    Topic.objects.update_or_create(code=code, defaults={"label": f"u{random.randint(1, 99)}"})


@edit
def delete_post(random):
    if post := some(random, Post):
        post.delete()


@edit
def delete_author(random):
    if (author := some(random, Author)) and random.random() < 0.3:
        author.delete()


@edit
def delete_some(random):
    Comment.objects.filter(approved=random.random() < 0.5, post__views__gt=4).delete()


@edit
def fast_delete(random):
    Comment.objects.filter(text__startswith="b").delete()


@edit
def comment(random):
    if post := some(random, Post):
        post.comment_set.create(text=f"c{random.randint(1, 99)}", approved=random.random() < 0.7)


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
def topics_set(random):
    if post := some(random, Post):
        post.topics.set(Topic.objects.all()[: random.randint(0, 2)])


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
def raw(random):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE newsroom_post SET views = views + 1 WHERE id % 2 = 0")


@edit
def together(random):
    with transaction.atomic():
        title(random)
        move(random)
        comment(random)


@edit
def rolled_back(random):
    try:
        with transaction.atomic():
            create(random)
            raise LookupError
    except LookupError:
        pass


@edit
def partly_rolled_back(random):
    with transaction.atomic():
        title(random)
        try:
            with transaction.atomic():
                delete_post(random)
                raise LookupError
        except LookupError:
            comment(random)


@edit
def with_a_hook_that_raises(random):
    def fail():
        raise LookupError

    try:
        with transaction.atomic():
            transaction.on_commit(fail)
            title(random)
            transaction.on_commit(fail)
    except LookupError:
        pass


@edit
def many_to_many_by_hand(random):
    through = Post.topics.through
    post, topic = some(random, Post), some(random, Topic)
    if post and topic and not through.objects.filter(post=post, topic=topic).exists():
        through.objects.create(post=post, topic=topic)
