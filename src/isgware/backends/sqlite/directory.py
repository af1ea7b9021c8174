"""Which directories may hold a store."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ...errors import ConfigurationError


def check_directory(directory: Path) -> None:
    """Raise `ConfigurationError` unless ``directory`` is, or can become, a store of ours."""
    try:
        status = directory.lstat()
    except FileNotFoundError:
        parent = next(place for place in directory.absolute().parents if place.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            raise ConfigurationError(
                f"The store {str(directory)!r} cannot be created: {str(parent)!r} is not writable."
            ) from None
        return
    except OSError as error:
        raise ConfigurationError(f"The store {str(directory)!r}: {error.strerror}.") from error
    if stat.S_ISLNK(status.st_mode):
        raise ConfigurationError(
            f"The store {str(directory)!r} is a symbolic link; name the directory itself."
        )
    if not stat.S_ISDIR(status.st_mode):
        raise ConfigurationError(f"The store {str(directory)!r} is not a directory.")
    if status.st_uid != os.geteuid() or not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"The store {str(directory)!r} is not ours to write; give it to the user that runs "
            "the app, or choose another directory with store='file:DIR'."
        )
