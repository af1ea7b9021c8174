"""An oracle for ``dependencies=``: random pages, random edits, each page compared."""
