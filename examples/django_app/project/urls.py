from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import include, path

urlpatterns = [
    path("", include("blog.urls")),
    path("admin/", admin.site.urls),
    path("accounts/", include("django.contrib.auth.urls")),
    # So that the example needs no web server in front of it. Yours has one, or WhiteNoise.
    path("static/<path:path>", serve, {"insecure": True}),
]
