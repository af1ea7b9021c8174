"""``manage.py load_posts``: fill the blog with its sample posts, or renew them."""

import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from django.utils.text import slugify

from blog.models import Post, Topic

SAMPLE = Path(__file__).resolve().parents[2] / "sample" / "posts.toml"


class Command(BaseCommand):
    help = "Load the sample posts."

    def handle(self, *args: Any, **options: Any) -> None:
        posts = tomllib.loads(SAMPLE.read_text(encoding="utf-8"))["post"]
        for days, entry in enumerate(posts):
            topic, _ = Topic.objects.get_or_create(
                slug=slugify(entry["topic"]), defaults={"name": entry["topic"]}
            )
            Post.objects.update_or_create(
                slug=slugify(entry["title"]),
                defaults={
                    "title": entry["title"],
                    "topic": topic,
                    "summary": entry["summary"],
                    "body": entry["body"].strip(),
                    "draft": entry.get("draft", False),
                    "published": timezone.now() - timedelta(days=9 * days, hours=1),
                },
            )
        self.stdout.write(f"{len(posts)} posts loaded.")
