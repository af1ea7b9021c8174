"""A change that is saved, in the admin or anywhere else, is on the site at once.

Inside a transaction isgware keeps these purges until it is committed, so that no visitor can have
the old page rendered anew in between.
"""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from isgware.django import isg

from .models import Post, Topic


@receiver([post_save, post_delete], sender=Post)
def post_changed(instance: Post, **_: Any) -> None:
    # The name finds the page, or a remembered 404; the number finds it after its name was changed.
    isg().purge_tag("posts", f"post:{instance.slug}", f"post-id:{instance.pk}")


@receiver([post_save, post_delete], sender=Topic)
def topic_changed(**_: Any) -> None:
    isg().purge_tag("topics")
