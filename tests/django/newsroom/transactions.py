"""Edits of several statements: transactions that are committed, rolled back, or fail."""

import asyncio
import threading

from asgiref.sync import async_to_sync
from django.db import DatabaseError, connection, transaction
from django.db.models import F

import isgware

from .edits import comment, create, day, delete_post, edit, move, some, story, title
from .models import Author, Comment, Post, Topic


class Immediate(threading.local):
    """SQLite has one lock for writing, and whoever has read may not take it once another has
    written. So an edit that reads before it writes takes it first, as people who use SQLite in
    earnest do; what isgware adds has to do without that."""

    on = False

    def __enter__(self):
        self.on = True

    def __exit__(self, *_):
        self.on = False


immediate = Immediate()


def begin_as_said(connection, **_):
    """For Django's signal ``connection_created``."""

    def begin():
        connection.cursor().execute("BEGIN IMMEDIATE" if immediate.on else "BEGIN")

    connection._start_transaction_under_autocommit = begin


def together(function):
    """An edit that is a transaction."""

    def run(random):
        with immediate, transaction.atomic():
            function(random)

    run.__name__ = function.__name__
    return edit(run)


class Undone(Exception):
    pass


@together
def several(random):
    title(random)
    move(random)
    comment(random)


@together
def update_or_create(random):
    code = f"t{random.randint(1, 3)}"
    Topic.objects.update_or_create(code=code, defaults={"label": f"u{random.randint(1, 99)}"})


@together
def topics_set(random):
    if post := some(random, Post):
        post.topics.set(Topic.objects.all()[: random.randint(0, 2)])


@together
def edited(random):
    """The other end of a foreign key."""
    if author := some(random, Author):
        posts = list(Post.objects.all()[: random.randint(0, 3)])
        random.choice([author.edited.set, lambda posts: author.edited.clear()])(posts)


@together
def locked(random):
    if post := Post.objects.select_for_update().order_by("pk").first():
        post.views, post.editor = post.views + 1, random.choice([None, post.author])
        post.save()


@together
def nested(random):
    with transaction.atomic():
        title(random)
        with transaction.atomic():
            story(random)
    comment(random)


@together
def partly_rolled_back(random):
    title(random)
    try:
        with transaction.atomic():
            delete_post(random)
            raise Undone
    except Undone:
        comment(random)


@together
def savepoints(random):
    create(random)
    point = transaction.savepoint()
    move(random)
    (transaction.savepoint_rollback if random.random() < 0.5 else transaction.savepoint_commit)(
        point
    )
    title(random)


@together
def error_within(random):
    """A statement fails, and the rest is committed."""
    title(random)
    try:
        with transaction.atomic():
            Topic.objects.create(code="twice", label="1")
            Topic.objects.create(code="twice", label="2")
    except DatabaseError:
        comment(random)


@edit
def rolled_back(random):
    try:
        with immediate, transaction.atomic():
            create(random)
            raise Undone
    except Undone:
        pass


@edit
def a_hook_that_raises(random):
    def fail():
        raise Undone

    try:
        with immediate, transaction.atomic():
            transaction.on_commit(fail)
            title(random)
            transaction.on_commit(fail)
    except Undone:
        pass


@edit
def a_hook_that_writes(random):
    with immediate, transaction.atomic():
        transaction.on_commit(lambda: comment(random))
        move(random)


@edit
def a_commit_that_fails(random):
    """A foreign key leads nowhere, which is looked at last."""
    try:
        with immediate, transaction.atomic():
            title(random)
            Comment.objects.create(post_id=10**6, text="of nothing")
    except DatabaseError:
        pass


@edit
def a_commit_whose_answer_is_lost(random):
    original = connection._commit

    def commit():
        original()
        raise DatabaseError("the connection is gone")

    connection._commit = commit
    try:
        with immediate, transaction.atomic():
            move(random)
            title(random)
    except DatabaseError:
        pass
    finally:
        connection._commit = original


@edit
def by_hand(random):
    """Without autocommit."""
    post = some(random, Post)
    transaction.set_autocommit(False)
    try:
        if post:
            Post.objects.filter(pk=post.pk).update(views=random.randint(0, 9), date=day(random))
            (transaction.commit if random.random() < 0.7 else transaction.rollback)()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)


@edit
def stale_object(random):
    """Another writes between reading and saving."""
    if (post := some(random, Post)) and (author := some(random, Author)):
        Post.objects.filter(pk=post.pk).update(
            author=author, views=random.randint(0, 9), editor=author, state=random.choice("dp")
        )
        post.title = f"late{random.randint(1, 99)}"
        post.save()


@edit
def stale_object_that_is_deleted(random):
    if (found := some(random, Comment)) and (post := some(random, Post)):
        Comment.objects.filter(pk=found.pk).update(post=post, approved=not found.approved)
        found.delete()


@edit
def slow_database(random):
    """Each statement takes its time, so that others come between."""

    def slow(execute, *given):
        pause.wait(random.random() / 200)
        return execute(*given)

    with connection.execute_wrapper(slow):
        move(random)
        title(random)


pause = threading.Event()


@edit
def asynchronously(random):
    async def change():
        if post := await Post.objects.afirst():
            post.title = f"a{random.randint(1, 99)}"
            await post.asave()
            await Comment.objects.acreate(post=post, text="async")
        await Topic.objects.aupdate_or_create(code="t2", defaults={"label": "a"})

    with immediate:
        async_to_sync(change)()


@edit
def in_another_loop(random):
    """Its statements run in a thread that Django keeps for such."""

    async def change():
        await Comment.objects.filter(approved=False).aupdate(text=f"l{random.randint(1, 99)}")

    asyncio.run(change())


@edit
def raw(random):
    if random.random() < 0.3:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE newsroom_post SET views = views + 1 WHERE id % 2 = 0")


@edit
def raw_and_touched(random):
    """What it changes is said."""
    if post := some(random, Post):
        with transaction.atomic():
            with isgware.untracked(), connection.cursor() as cursor:
                cursor.executemany(
                    "UPDATE newsroom_post SET views = %s, author_id = author_id WHERE id = %s",
                    [(random.randint(0, 9), post.pk)],
                )
            isgware.touched(f"newsroom.Post:{post.pk}")


@edit
def raw_of_a_table(random):
    with isgware.untracked():
        Author.objects.update(active=random.random() < 0.5)
        Author.objects.filter(pk=1).update(name=F("name"))
    isgware.touched("newsroom.Author[*]")
