"""Finding and keeping pages: the in-process cache first, the backend behind it."""
