"""isgware for SQLAlchemy: `revalidate_on_change`, and the recorder of ``dependencies=``.

`changes` is the hook that is told which pages show a record. `recorder` finds it out by itself: it
watches statements, in the clean room for what pages read (`reading`), elsewhere for what is written
(`writing`), and tells when a transaction is committed (`transactions`).
"""

from ..errors import ConfigurationError

try:
    from .changes import revalidate_on_change
except ModuleNotFoundError as missing:
    if missing.name != "sqlalchemy":
        raise
    raise ConfigurationError(
        "isgware.sqlalchemy needs SQLAlchemy: pip install 'isgware[sqlalchemy]'"
    ) from missing

__all__ = ["revalidate_on_change"]
