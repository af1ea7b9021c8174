import uuid

from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=40)

    class Meta:
        app_label = "bookshelf"


class Named(models.Model):
    """Abstract, so that hooks on it hold for what is made of it."""

    title = models.CharField(max_length=40)

    class Meta:
        abstract = True


class Book(Named):
    author = models.ForeignKey(Author, models.CASCADE, null=True, related_name="books")
    shelves = models.ManyToManyField("Shelf", related_name="books")
    likes = models.IntegerField(default=0)
    printed = models.DateField(null=True)

    class Meta:
        app_label = "bookshelf"

    @property
    def initial(self):
        return self.title[:1]


class Thriller(Book):
    class Meta:
        app_label = "bookshelf"
        proxy = True


class Atlas(Book):
    scale = models.IntegerField(default=1)

    class Meta:
        app_label = "bookshelf"


class Shelf(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=40)

    class Meta:
        app_label = "bookshelf"
