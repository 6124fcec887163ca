"""Whether more labels are needed: a light with its reason, the next step as a button, and each slice's figures."""

from .panel import StopLightPanel

__all__ = ["StopLightPanel"]
