"""Verbs about features: their scales and what is suspicious about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import feature_looks, transforms
from .base import Verbs

if TYPE_CHECKING:
    from ..feature_looks import FeatureLook

__all__ = ["Featuring"]


class Featuring(Verbs):
    """Scales of channels, and a look at single features; groups of features are ``session.features``' own."""

    @property
    def transforms(self) -> dict[str, float]:
        """Cofactors by channel: intensities of these are learned from and shown as arcsinh(intensity / cofactor)."""
        return transforms.transforms(self._session)

    def set_transform(
        self, channel: str, cofactor: float | None = None, *, factor: float | None = None
    ) -> float | None:
        """Scale the intensities of a channel as arcsinh(intensity / cofactor), for learning, clusters and display.

        What was measured stays as it is, and so do limits of gates.  Models that learned on another scale have to be
        trained again.

        Parameters
        ----------
        channel : str
        cofactor : float, optional
            Above 0; None, with no factor, removes the scale.
        factor : float, optional
            CellTune's factor, which multiplies: 0.1 is the cofactor 10.

        Returns
        -------
        float or None
            The cofactor.
        """
        return transforms.set_transform(self._session, channel, cofactor, factor)

    def look_at_feature(
        self, name: str, *, image: str | None = None, cofactor: float | None = None, bins: int = 60
    ) -> FeatureLook:
        """How one feature is distributed, over all cells or those of an image, with a scale to try out.

        Parameters
        ----------
        name : str
        image : str, optional
        cofactor : float, optional
            By default that of its channel; 0 for none.
        bins : int
        """
        return feature_looks.look(self._session, name, image, cofactor, bins)

    def feature_warnings(self) -> list[str]:
        """What is suspicious about the features that models learn from, in sentences: identifiers, positions, answers."""
        return feature_looks.warnings(self._session)
