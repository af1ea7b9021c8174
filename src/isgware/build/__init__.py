"""Pages rendered before the first visit: ``isgware build`` and `ISG.prerender`."""
