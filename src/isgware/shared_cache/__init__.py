"""``cache_control="full"``: a shared cache by RFC 9111, from visitors' own requests."""
