"""Training: which models, the curves while they learn, the trainings so far."""

from .panel import TrainingPanel

__all__ = ["TrainingPanel"]
