"""Decisions about pages: their key, whether they are fresh, what may be stored. Pure."""
