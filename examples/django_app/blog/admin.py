from django.contrib import admin

from .models import Comment, Post, Topic


@admin.register(Topic)
class TopicAdmin(admin.ModelAdmin):
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Comment)
class CommentAdmin(admin.ModelAdmin):
    list_display = ["name", "post", "written"]


@admin.register(Post)
class PostAdmin(admin.ModelAdmin):
    list_display = ["title", "topic", "published", "draft"]
    list_filter = ["draft", "topic"]
    search_fields = ["title", "body"]
    prepopulated_fields = {"slug": ["title"]}
    date_hierarchy = "published"
