"""Edits of rows by conditions that ask other tables."""

from django.db.models import Count

from .edits import edit
from .models import Author, Comment, Post, Topic


@edit
def update_by_relation(random):
    found = Post.objects.filter(author__name="ann", comment__approved=True)
    found.update(views=random.randint(0, 9))


@edit
def update_by_subquery(random):
    discussed = Comment.objects.filter(approved=random.random() < 0.5).values("post")
    Post.objects.filter(pk__in=discussed).update(price=random.randint(1, 9))


@edit
def update_by_aggregate(random):
    busy = Author.objects.annotate(posts=Count("post")).filter(posts__gt=random.randint(0, 3))
    busy.update(active=random.random() < 0.5)


@edit
def delete_by_aggregate(random):
    quiet = Topic.objects.annotate(posts=Count("post")).filter(posts=0, code__startswith="n")
    quiet.delete()


@edit
def delete_some(random):
    Comment.objects.filter(approved=random.random() < 0.5, post__views__gt=4).delete()


@edit
def delete_by_subquery(random):
    read = Post.objects.filter(views__gt=random.randint(0, 9))
    Comment.objects.filter(post__in=read).delete()
