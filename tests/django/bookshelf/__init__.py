"""A Django app with models for change hooks."""
