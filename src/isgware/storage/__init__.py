"""Finding and storing pages: the in-process cache first, then the backend."""
