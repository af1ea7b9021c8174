"""A blog, with a desk for its writers."""
