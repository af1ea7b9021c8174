"""The Django integration: ``application = ISG(get_wsgi_application())`` in ``wsgi.py``.

Options come from ``settings.ISGWARE``. `isg` is the process's ISG, for views, commands and tasks.
"""

from ..errors import ConfigurationError

try:
    from .changes import revalidate_on_change
    from .integration import ISG, _current, isg
except ModuleNotFoundError as missing:
    if missing.name != "django":
        raise
    raise ConfigurationError(
        "isgware.django needs Django: pip install 'isgware[django]'"
    ) from missing

__all__ = ["ISG", "_current", "isg", "revalidate_on_change"]
