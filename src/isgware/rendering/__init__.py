"""Making a page: running the app in the clean room, judging and encoding its response."""
