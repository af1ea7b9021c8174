"""Settings of the example: Django's usual ones, the blog, and ``ISGWARE`` at the end.

From the environment: ``BLOG_VAR`` (the directory of the database and the pages), ``BLOG_HOSTS``
(names the site answers to, by commas), ``BLOG_SECRET_KEY`` (set one for anything but a try),
``BLOG_DEBUG=1``.
"""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = Path(os.environ.get("BLOG_VAR", BASE_DIR / "var"))
VAR.mkdir(exist_ok=True)

SECRET_KEY = os.environ.get("BLOG_SECRET_KEY", "only-for-trying-this-example-on-your-own-machine")
DEBUG = os.environ.get("BLOG_DEBUG") == "1"  # under which isgware renders every visit
ALLOWED_HOSTS = os.environ.get("BLOG_HOSTS", "localhost,127.0.0.1,[::1]").split(",")

INSTALLED_APPS = [
    "blog",
    "isgware.django",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": VAR / "blog.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English"), ("de", "Deutsch")]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
LOGIN_REDIRECT_URL = "desk"
LOGOUT_REDIRECT_URL = "post-list"

# Any of isgware's options can stand here; the README names some that are worth a try.
ISGWARE = {
    "store": f"file:{VAR / 'pages'}",
    "dependencies": True,  # pages are renewed when what they show is changed
}
