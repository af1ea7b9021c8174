"""Sphinx configuration: ``make docs``."""

import isgware

project = "isgware"
author = "the isgware maintainers"
copyright = author
version = release = isgware.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "measured"]  # the latter are parts of other pages
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]

default_role = "py:obj"  # single backticks in docstrings
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
add_module_names = False

html_theme = "furo"
html_title = "isgware"
html_static_path = ["_static"]
html_show_copyright = False
