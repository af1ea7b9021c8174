"""Settings of the Django test site: as in production, the database aside."""

from __future__ import annotations

import sitecore

SECRET_KEY = "not a secret"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "django_urls"
WSGI_APPLICATION = "django_wsgi.application"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
USE_TZ = True
INSTALLED_APPS = ["isgware.django"]
ISGWARE = {"store": sitecore.store_url()}
