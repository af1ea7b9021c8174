"""From a request to the key of its page: which routes are declared, and what was learned of a
URL.
"""
