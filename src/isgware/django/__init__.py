"""The Django integration: ``application = ISG(get_wsgi_application())`` in ``wsgi.py``.

Options come from ``settings.ISGWARE``. `isg` is the process's ISG, for views, commands and tasks.
"""

from .changes import revalidate_on_change
from .integration import ISG, _current, isg

__all__ = ["ISG", "_current", "isg", "revalidate_on_change"]
