"""Pages made before anybody asks for them: ``isgware build`` and `ISG.prerender`."""
