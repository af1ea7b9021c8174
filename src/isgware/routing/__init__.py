"""From a request to the key of its page: what is declared, and what was learned of a URL."""
