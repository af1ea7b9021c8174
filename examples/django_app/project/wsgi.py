"""The WSGI application: ``gunicorn --chdir examples/django_app project.wsgi``."""

import os

from django.core.wsgi import get_wsgi_application

from isgware.django import ISG

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

application = ISG(get_wsgi_application())
