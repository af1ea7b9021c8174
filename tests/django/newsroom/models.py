import uuid

from django.db import models

from ...databases import NOCASE


class Author(models.Model):
    name = models.CharField(max_length=40, db_collation=NOCASE)
    active = models.BooleanField(default=True)
    mentor = models.ForeignKey("self", models.SET_NULL, null=True)

    class Meta:
        app_label = "newsroom"


class Topic(models.Model):
    code = models.CharField(max_length=20, primary_key=True)
    label = models.CharField(max_length=40)

    class Meta:
        app_label = "newsroom"


class Post(models.Model):
    title = models.CharField(max_length=40)
    slug = models.SlugField(unique=True)
    body = models.TextField(default="")
    date = models.DateField()
    price = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    state = models.CharField(max_length=1, choices=[("d", "draft"), ("p", "public")], default="p")
    views = models.IntegerField(default=0)
    uid = models.UUIDField(default=uuid.uuid4)
    author = models.ForeignKey(Author, models.CASCADE)
    editor = models.ForeignKey(Author, models.SET_NULL, null=True, related_name="edited")
    topics = models.ManyToManyField(Topic)

    class Meta:
        app_label = "newsroom"


class Story(Post):
    mood = models.CharField(max_length=10)

    class Meta:
        app_label = "newsroom"


class Comment(models.Model):
    post = models.ForeignKey(Post, models.CASCADE)
    text = models.CharField(max_length=40)
    approved = models.BooleanField(default=True)

    class Meta:
        app_label = "newsroom"


MODELS = (Author, Topic, Post, Story, Comment)
