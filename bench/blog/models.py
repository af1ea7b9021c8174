# mypy: disable-error-code="var-annotated"
"""The blog's tables for Django."""

from __future__ import annotations

from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=80)


class Category(models.Model):
    name = models.CharField(max_length=80)


class Tag(models.Model):
    name = models.CharField(max_length=80)


class Post(models.Model):
    title = models.CharField(max_length=200)
    body = models.TextField()
    views = models.IntegerField(default=0)
    published = models.BooleanField(default=True)
    date = models.DateField()
    author = models.ForeignKey(Author, models.CASCADE)
    category = models.ForeignKey(Category, models.CASCADE)
    tags = models.ManyToManyField(Tag)


class Comment(models.Model):
    post = models.ForeignKey(Post, models.CASCADE, related_name="comments")
    name = models.CharField(max_length=80)
    text = models.TextField()


MODELS = (Author, Category, Tag, Post, Comment)
