"""What a visitor gets: a stored page, a loading page, or the app's own answer."""
