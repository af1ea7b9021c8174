"""The Django site's entry point, as a user's `wsgi.py` would have it."""

from __future__ import annotations

import os

import sitecore
from django.core.wsgi import get_wsgi_application

from isgware.django import ISG

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_settings")
isg = ISG(get_wsgi_application())
application = sitecore.Outside(isg, isg)
