"""The application, for a server to name: ``gunicorn examples.flask_app.app:app``."""

from . import create_app

app = create_app()
