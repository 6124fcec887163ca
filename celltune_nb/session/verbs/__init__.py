"""The verbs of a session, in groups: :class:`~celltune_nb.session.Session` has them all."""

from .bringing import Bringing
from .choosing import Choosing
from .learning import Learning
from .taking import Taking

__all__ = ["Bringing", "Choosing", "Learning", "Taking"]
