"""The site: settings, URLs and the WSGI application."""
