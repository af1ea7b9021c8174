"""``file:DIR``: pages, leases, invalidations and the catalogue in one SQLite file."""
