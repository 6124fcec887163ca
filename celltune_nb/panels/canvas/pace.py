"""How fine a frame may be so that a moving picture is followed."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from celltune_nb.render.encode import jpeg

__all__ = ["FINE", "GRADES", "Grade", "Pace"]

#: A frame that takes longer (s) than the first is followed by coarser ones, shorter than the second by finer ones.  A
#: grade costs about half of the one above it, so that a way of constant speed does not make them alternate.
SLOW, FAST = 0.045, 0.018


@dataclass(frozen=True)
class Grade:
    """How a frame is rendered and encoded.

    Attributes
    ----------
    scale : float
        Frame pixels per device pixel.
    quality : int
        Of the JPEG.
    halved_color : bool
        Colour at half the resolution.
    """

    scale: float
    quality: int
    halved_color: bool

    def encode(self, rgb: npt.NDArray[np.uint8]) -> bytes:
        """A frame as JPEG."""
        return jpeg(rgb, self.quality, halved_color=self.halved_color)


FINE = Grade(1.0, 85, halved_color=False)
GRADES = (FINE, Grade(1.0, 60, halved_color=True), Grade(0.5, 75, halved_color=True))


class Pace:
    """Chooses the grade of moving frames from the time that those before took, from rendering to the browser's answer.

    On a fast way, moving frames are as fine as resting ones; through a slow network or on a large screen they are coarser.
    """

    def __init__(self) -> None:
        self._at = 1
        self._begun: tuple[int, Grade, float] | None = None

    @property
    def grade(self) -> Grade:
        """For the next moving frame."""
        return GRADES[self._at]

    def begun(self, number: int, grade: Grade) -> None:
        """The rendering of a frame begins."""
        self._begun = (number, grade, time.monotonic())

    def arrived(self, number: int) -> None:
        """The browser has a frame."""
        begun, self._begun = self._begun, None
        if begun is None or begun[0] != number or begun[1] is not self.grade:
            return
        took = time.monotonic() - begun[2]
        if took > SLOW:
            self._at = min(self._at + 1, len(GRADES) - 1)
        elif took < FAST:
            self._at = max(self._at - 1, 0)
