"""``cache_control="full"``: a shared cache (RFC 9111) of responses to visitors' own requests."""
