"""Background work: who renders a page, when, on which thread, and what follows a failure."""
