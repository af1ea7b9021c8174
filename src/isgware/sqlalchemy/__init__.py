"""isgware for SQLAlchemy: `revalidate_on_change`, and the recorder of ``dependencies=``.

`changes` is the hook that is told which pages show a record. `recorder` finds it out by itself: it
watches statements, in the clean room for what pages read (`reading`), elsewhere for what is written
(`writing`), and tells when a transaction is committed (`transactions`).
"""

from .changes import revalidate_on_change

__all__ = ["revalidate_on_change"]
