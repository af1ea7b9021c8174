import uuid

from django.db import models

from ...databases import NOCASE


class Author(models.Model):
    name = models.CharField(max_length=40, db_collation=NOCASE)
    active = models.BooleanField(default=True)
    mentor = models.ForeignKey("self", models.SET_NULL, null=True)
    friends = models.ManyToManyField("self")

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


class LowerField(models.CharField):
    """Shows alike what the database tells apart."""

    def from_db_value(self, value, expression, connection):
        return value and value.lower()


class Comment(models.Model):
    post = models.ForeignKey(Post, models.CASCADE)
    text = models.CharField(max_length=40)
    approved = models.BooleanField(default=True)
    mark = LowerField(max_length=10, default="New")
    facts = models.JSONField(null=True)

    class Meta:
        app_label = "newsroom"


class Draft(Post):
    class Meta:
        app_label = "newsroom"
        proxy = True


class Rating(models.Model):
    author = models.ForeignKey(Author, models.CASCADE)
    post = models.ForeignKey(Post, models.SET_NULL, null=True)
    stars = models.IntegerField(default=0)
    if hasattr(models, "GeneratedField"):  # and, since Django 5.0, too, values of the database's
        twice = models.GeneratedField(
            expression=models.F("stars") * 2, output_field=models.IntegerField(), db_persist=True
        )
        kind = models.IntegerField(db_default=1)
    else:
        twice, kind = models.IntegerField(default=0), models.IntegerField(default=1)

    class Meta:
        app_label = "newsroom"
        ordering = ("-stars", "pk")
        constraints = (models.UniqueConstraint(fields=["author", "post"], name="once"),)


class Seat(models.Model):
    row = models.IntegerField()
    number = models.IntegerField()
    taken = models.BooleanField(default=False)
    if hasattr(models, "CompositePrimaryKey"):  # since Django 5.2
        pk = models.CompositePrimaryKey("row", "number")

    class Meta:
        app_label = "newsroom"


class Slugged(models.Model):
    """The posts once more, as another app may know them: under another key."""

    slug = models.SlugField(primary_key=True)
    title = models.CharField(max_length=40)
    author = models.ForeignKey(Author, models.DO_NOTHING, related_name="+")
    body = models.TextField(default="")
    date = models.DateField()
    views = models.IntegerField(default=0)
    uid = models.UUIDField(default=uuid.uuid4)
    state = models.CharField(max_length=1, default="p")

    class Meta:
        app_label = "newsroom"
        db_table = "newsroom_post"
        managed = False


MODELS = (Author, Topic, Post, Story, Comment, Rating, Seat)


def create_tables(editor):
    for model in MODELS:
        editor.create_model(model)
    # A view, which no model is of.
    editor.execute("CREATE VIEW newsroom_said AS SELECT text FROM newsroom_comment")
