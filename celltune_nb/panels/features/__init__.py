"""What models learn from: groups of features, scales of channels, and measuring."""

from .panel import FeaturesPanel

__all__ = ["FeaturesPanel"]
