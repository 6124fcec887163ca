"""The way through a study: the rule, the slices to work on, steps that tick themselves, what to look after."""

from .panel import GuidePanel
from .rule import RuleBar

__all__ = ["GuidePanel", "RuleBar"]
