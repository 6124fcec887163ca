"""The verbs of a session, in groups: :class:`~celltune_nb.session.Session` has them all."""

from .bringing import Bringing
from .carrying import Carrying
from .channels import Channels
from .choosing import Choosing
from .counting import Counting
from .features import Featuring
from .folders import Folders
from .gating import Gating
from .grouping import Grouping
from .insight import Insight
from .judging import Judging
from .learning import Learning
from .mining import Mining
from .placing import Placing
from .reviewing import Reviewing
from .studying import Studying
from .taking import Taking

__all__ = [
    "Bringing",
    "Carrying",
    "Channels",
    "Choosing",
    "Counting",
    "Featuring",
    "Folders",
    "Gating",
    "Grouping",
    "Insight",
    "Judging",
    "Learning",
    "Mining",
    "Placing",
    "Reviewing",
    "Studying",
    "Taking",
]
