"""The public pages are declared with ``@revalidate``; the desk is not, so it is never stored."""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.syndication.views import Feed
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django.views.generic import ListView

from isgware import hole, revalidate

from .forms import CommentForm
from .models import Post, Topic

HOUR = 3600


def slugs(found: QuerySet[Any]) -> Iterator[dict[str, str]]:
    """What ``isgware build`` renders, as arguments of ``reverse``."""
    return ({"slug": slug} for slug in found.values_list("slug", flat=True).iterator())


@revalidate(24 * HOUR, query=(), paths=lambda: slugs(Post.objects.published()))
def post(request: HttpRequest, slug: str) -> HttpResponse:
    """With a comment form on it: each visitor's token is put in as the stored page is served."""
    found = get_object_or_404(Post.objects.published().select_related("topic", "author"), slug=slug)
    form = CommentForm(request.POST or None)
    if form.is_valid():
        form.instance.post = found
        form.save()
        messages.success(request, _("Thank you for your comment."))
        return redirect(found)
    return render(request, "blog/post.html", {"post": found, "form": form})


class Posts(ListView):
    template_name = "blog/list.html"
    paginate_by = 5

    def get_queryset(self) -> QuerySet[Post]:
        return Post.objects.published().select_related("topic")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(topics=Topic.objects.all(), **kwargs)


@revalidate(HOUR, query=("page",))
class PostList(Posts):
    """``@revalidate`` on the class. An hour, because posts may be dated in the future."""


@method_decorator(
    revalidate(HOUR, query=("page",), paths=lambda: slugs(Topic.objects.all())),
    name="dispatch",
)
class TopicPosts(Posts):
    """``@revalidate`` as a method decorator, which Django's own decorators are used as."""

    def get_queryset(self) -> QuerySet[Post]:
        self.topic = get_object_or_404(Topic, slug=self.kwargs["slug"])
        return super().get_queryset().filter(topic=self.topic)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(topic=self.topic, **kwargs)


class PostFeed(Feed):
    title = "Spoke & Chain"
    link = "/"
    description = "Notes from a bicycle workshop"

    def items(self) -> QuerySet[Post]:
        return Post.objects.published()[:10]

    def item_description(self, item: Post) -> str:
        return item.summary


@revalidate(HOUR, query=())
def feed(request: HttpRequest) -> HttpResponse:
    return PostFeed()(request)


@hole("drafts")
def drafts(request: HttpRequest) -> str:
    """A writer's own piece of every page: how many drafts wait. The other is ``_account.html``."""
    if not request.user.is_authenticated:
        return ""
    return format_html(" ({})", Post.objects.filter(draft=True).count())


# The desk --------------------------------------------------------------------------------------


@login_required
def desk(request: HttpRequest) -> HttpResponse:
    """Everything, drafts included, for those who are logged in."""
    return render(request, "blog/desk.html", {"posts": Post.objects.select_related("topic")})


@login_required
@require_POST
def publish(request: HttpRequest, pk: int) -> HttpResponse:
    """Publish a draft, or take a post back: saving it renews what shows it."""
    found = get_object_or_404(Post, pk=pk)
    found.draft = not found.draft
    found.save()
    done = "taken back" if found.draft else "published"
    messages.success(request, f"“{found.title}” is {done}.")
    return redirect("desk")
