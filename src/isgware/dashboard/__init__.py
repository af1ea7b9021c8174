"""The dashboard under ``mount``: what a site's cache does, for people, as HTML and JSON."""
