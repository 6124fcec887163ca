"""Verbs that gate cells: by a range of a feature, an area of two, or an expression over populations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data.populations import PopulationSet
from .. import drafting, gating
from ..batch import BatchReport, label_many
from ..conditions import condition
from ..levels import level_name
from .base import Verbs

__all__ = ["Gating"]


class Gating(Verbs):
    """Gates: what they are, and what is done with the cells inside.

    A gate is a population set of two categories, inside and not.  It is kept with the project and worked out from what
    the features, predictions and labels are now.
    """

    @property
    def gates(self) -> gating.Gates:
        """The gates by name: ``.sentence``, ``.color``, ``.within``; ``session.gates.problem(name)``."""
        return self._session.populations.gates

    def gate(
        self, feature: str, low: float | None = None, high: float | None = None, *, name: str | None = None,
        within: str | None = None, level: str | None = None, color: str | None = None,
    ) -> PopulationSet:  # fmt: skip
        """Gate cells by a range of one feature; both limits belong to the gate.

        Parameters
        ----------
        feature : str
            A feature of the active source, or ``"source/name"``; a prediction's probability, ``"CD8T__Probability"``
            (mean of the models) or ``"Pred_MDL1/CD8T__Probability"``; or a numeric column of :attr:`items`.
        low, high : float, optional
            In the feature's unit; None: no limit.  A cell without a value is never inside.
        name : str, optional
            By default the feature's marker.  A gate of this name is replaced.
        within : str, optional
            A gate's name, or an expression as of :meth:`gate_from`: cells outside of it are outside of this gate.
        color : str, optional
            ``"#RRGGBB"`` of the cells inside.

        Returns
        -------
        PopulationSet
            Also ``session.populations[name]``.

        Raises
        ------
        InputError
            For an unknown feature, limits that are none, a name that is taken.
        """
        session = self._session
        return gating.keep(
            session,
            drafting.range_gate(
                session, level_name(session, level), feature, low, high, name=name, within=within, color=color
            ),
        )

    def gate_polygon(
        self, feature_x: str, feature_y: str, polygon: Any = None, *, rectangle: Any = None, name: str | None = None,
        within: str | None = None, level: str | None = None, color: str | None = None,
        cofactors: tuple[float | None, float | None] = (None, None),
    ) -> PopulationSet:  # fmt: skip
        """Gate cells by an area of two features.

        Parameters
        ----------
        feature_x, feature_y : str
            As in :meth:`gate`.
        polygon : sequence of (x, y), optional
            Corners in the features' units; even-odd where it crosses itself.
        rectangle : (x0, y0, x1, y1), optional
            In place of a polygon; its edges belong to the gate.
        cofactors : (float or None, float or None)
            A polygon's edges are straight on the scale arcsinh(value / cofactor) of x and y, as it was drawn; None: on
            the plain scale.
        """
        session = self._session
        return gating.keep(
            session,
            drafting.area_gate(
                session, level_name(session, level), (feature_x, feature_y), polygon, rectangle, name=name,
                within=within, color=color, cofactors=cofactors,
            ),
        )  # fmt: skip

    def gate_from(
        self, expression: str, name: str | None = None, *, within: str | None = None, level: str | None = None,
        color: str | None = None,
    ) -> PopulationSet:  # fmt: skip
        """Gate cells by an expression over gates and categories of population sets.

        Parameters
        ----------
        expression : str
            With ``&`` (and), ``|`` (or), ``!`` (not) and round brackets: ``"CD8 & !(CD4 | FoxP3)"``.  A name that is a
            gate's means that gate; a category that stands in several population sets is written with its set,
            ``Pred_AVG:CD8T``; a name with ``& | ! ( ) :`` in it stands in quotes.

        Raises
        ------
        InputError
            That points at the character where the expression cannot be read or a name is not known.
        """
        session = self._session
        return gating.keep(
            session,
            drafting.expression_gate(
                session, level_name(session, level), expression, name=name, within=within, color=color
            ),
        )

    def gated(self, name: str) -> NDArray[np.int64]:
        """Ids of the cells inside a gate, or of those that satisfy an expression; ascending."""
        session = self._session
        return session.table.ids[gating.inside(session, name, condition)]

    def rename_gate(self, old: str, new: str) -> None:
        """Call a gate by another name; gates that stand on it follow."""
        gating.rename(self._session, old, new, drafting.check_name)

    def recolor_gate(self, name: str, color: str) -> None:
        """Give a gate another colour, ``"#RRGGBB"``."""
        gating.recolor(self._session, name, drafting.check_color(color))

    def remove_gate(self, name: str) -> None:
        """Remove a gate; refused while another one stands on it."""
        gating.remove(self._session, name)

    def label_gate(
        self, name: str, category: str, *, overwrite: bool = False, level: str | None = None
    ) -> BatchReport:
        """Label the cells inside a gate (or of an expression), as one step that can be undone.

        Parameters
        ----------
        overwrite : bool
            Whether cells change that have another label already.
        level : str, optional
            By default the active level.

        Returns
        -------
        BatchReport
            How many were labelled, and how many had a label already.
        """
        session = self._session
        return label_many(
            session, self.gated(name), category, level=level_name(session, level), source="gate",
            overwrite=overwrite,
        )  # fmt: skip
