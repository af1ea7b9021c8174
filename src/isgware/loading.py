"""`SCRIPT_HASH`: what a Content-Security-Policy needs to allow the loading page's script."""

from .serving.loading_page_html import SCRIPT_HASH

__all__ = ["SCRIPT_HASH"]
