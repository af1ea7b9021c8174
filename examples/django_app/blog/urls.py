from django.urls import path

from . import views

urlpatterns = [
    path("", views.PostList.as_view(), name="post-list"),
    path("posts/<slug:slug>/", views.post, name="post"),
    path("topics/<slug:slug>/", views.TopicPosts.as_view(), name="topic"),
    path("feed.xml", views.feed, name="feed"),
    path("desk/", views.desk, name="desk"),
    path("desk/<int:pk>/publish/", views.publish, name="publish"),
]
