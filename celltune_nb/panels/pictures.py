"""Many small pictures as rules of a style sheet: what shows them changes without sending them again."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable

import ipywidgets as w

__all__ = ["Pictures"]

#: Pictures that come to the browser together: few messages, and the first are soon there.
TOGETHER = 16


class Pictures:
    """Pictures by number; an element of class ``ct-<name>-<number>`` has one as its background.

    Parameters
    ----------
    name : str
        Part of the classes' names.

    Attributes
    ----------
    widget : VBox
        To be put on the page; it shows nothing itself.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.widget = w.VBox()
        self.widget.layout.display = "none"

    def fill(
        self, pictures: Iterable[bytes | None], wanted: Callable[[], bool] = lambda: True, name: str = ""
    ) -> None:
        """Replace all pictures, in the order of their numbers, as they come.

        Parameters
        ----------
        pictures : iterable of bytes or None
            JPEG; None: no picture.
        wanted : callable
            False ends it between two messages, when others are wanted by now.
        name : str
            The name from now on: what asks for pictures by a new one never shows those of before.
        """
        self._name = name or self._name
        rules: list[str] = []
        number = sheet = 0
        for number, picture in enumerate(pictures, 1):
            if picture is not None:
                data = b64encode(picture).decode()
                rules.append(
                    f".ct .ct-{self._name}-{number - 1}{{background-image:url(data:image/jpeg;base64,{data})}}"
                )
            if number % TOGETHER == 0:
                if not wanted():
                    return
                self._put(sheet, rules)
                sheet, rules = sheet + 1, []
        if number % TOGETHER:
            self._put(sheet, rules)
            sheet += 1
        for unused in self.widget.children[sheet:]:
            unused.value = ""

    def _put(self, sheet: int, rules: list[str]) -> None:
        text = f"<style>{''.join(rules)}</style>" if rules else ""
        if sheet < len(self.widget.children):
            self.widget.children[sheet].value = text
        else:
            self.widget.children = (*self.widget.children, w.HTML(text))
