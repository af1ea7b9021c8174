"""Every exception of isgware. Each message names what is wrong and what to do about it."""


class ISGError(Exception):
    """Base of all errors that isgware raises itself."""


class ConfigurationError(ISGError):
    """An option, a policy or the environment cannot be used as given."""


class UnknownHost(ConfigurationError):
    """The scheme and host of a page are not known."""


class InvalidPath(ISGError, ValueError):
    """A path given to an ISG call is not a local URL path such as ``/posts/1?page=2``."""


class RegenerationError(ISGError):
    """A page could not be rendered now; the page that was stored before is unchanged."""


class BackendUnavailable(ISGError):
    """The store or its coordinator did not complete an operation, or may not have."""


class ExportError(ISGError):
    """Pages could not be written as files; the previous files are intact."""
