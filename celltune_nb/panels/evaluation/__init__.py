"""How good the models are: figures, confusion, calibration, agreement, and the blind audit.

* :class:`EvaluationPanel` – the whole dashboard.
* :class:`AuditPanel` – drawing and labelling the audit sample, a part of it.
"""

from .audit import AuditPanel
from .dashboard import EvaluationPanel

__all__ = ["AuditPanel", "EvaluationPanel"]
