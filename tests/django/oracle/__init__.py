"""An oracle for ``dependencies=`` in Django: two processes, random edits, every page compared."""
