"""Every exception of isgware. Each message names what is wrong and what to do about it."""


class ISGError(Exception):
    """Base of all errors that isgware raises itself."""


class ConfigurationError(ISGError):
    """An option, a policy or the environment cannot be used as given."""


class UnknownHost(ConfigurationError):
    """Nothing says which scheme and host a page has."""


class InvalidPath(ISGError, ValueError):
    """A path handed to an ISG call is not a local URL path such as ``/posts/1?page=2``."""


class RegenerationError(ISGError):
    """A page could not be rendered now; the page that was stored before is untouched."""


class BackendUnavailable(ISGError):
    """The store or its coordinator did not take an operation; nothing may be assumed of it."""


class ExportError(ISGError):
    """Pages could not be written as files; what was there before is still whole."""
