"""Nothing here knows of isgware: with ``dependencies`` in ``ISGWARE`` what is saved or deleted, in
the admin or anywhere else, is on the site as soon as it is committed."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Topic(models.Model):
    name = models.CharField(max_length=40, unique=True)
    slug = models.SlugField(max_length=40, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("topic", args=[self.slug])


class PostQuerySet(models.QuerySet):
    def published(self) -> "PostQuerySet":
        """What the public may read: published, and not dated in the future."""
        return self.filter(draft=False, published__lte=timezone.now())


class Post(models.Model):
    title = models.CharField(max_length=120)
    slug = models.SlugField(max_length=80, unique=True)
    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, related_name="posts")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True
    )
    summary = models.CharField(max_length=200)
    body = models.TextField(help_text="Paragraphs, with an empty line between them.")
    draft = models.BooleanField(default=True, help_text="Only its writers see a draft.")
    published = models.DateTimeField(default=timezone.now)

    objects = PostQuerySet.as_manager()

    class Meta:
        ordering = ["-published", "-pk"]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("post", args=[self.slug])


class Comment(models.Model):
    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="comments")
    name = models.CharField(_("Your name"), max_length=40)
    text = models.TextField(_("Your comment"), max_length=500)
    written = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.name}: {self.text[:40]}"
