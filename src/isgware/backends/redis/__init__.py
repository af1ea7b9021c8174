"""``redis://``: pages, leases, invalidations and the catalogue in one Redis, for many hosts."""
