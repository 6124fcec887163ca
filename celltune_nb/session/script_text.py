"""How values and calls stand in a program."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.level import FIRST

__all__ = ["Writer", "call", "comment", "literal"]

#: Characters of a line from which on a list stands on lines of its own.
WIDTH = 110


def literal(value: Any) -> str:
    """A plain value as Python writes it.

    Raises
    ------
    TypeError
        For what is no plain value.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if value is None or isinstance(value, bool | int | float | str):
        return ascii(value)  # whatever a name holds, it ends where its quotes end
    if isinstance(value, list | tuple):
        inside = ", ".join(map(literal, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside}{',' * (len(value) == 1)})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{literal(k)}: {literal(v)}' for k, v in value.items())}}}"
    raise TypeError(f"{type(value).__name__} is no plain value")


def call(verb: str, *values: Any, **options: Any) -> str:
    """A call as a line of a program."""
    parts = [*map(literal, values), *(f"{name}={literal(value)}" for name, value in options.items())]
    return f"{verb}({', '.join(parts)})"


def comment(text: str) -> str:
    """A comment that ends with its line, whatever it says."""
    return f"# {ascii(text)[1:-1]}"


class Writer:
    """Puts a program together.

    Parameters
    ----------
    beside : str, optional
        Name of the file beside the program that holds long lists of ids.
    inline : int
        How many numbers a list may have that stands in the program itself.

    Attributes
    ----------
    arrays : dict of str to ndarray of int64
        What is to stand in the file beside the program.
    original : bool
        Whether the program reads from the project that it is made from.
    """

    def __init__(self, beside: str = "", inline: int = 0) -> None:
        self.arrays: dict[str, NDArray[np.int64]] = {}
        self.original = False
        self._beside, self._inline = beside, inline
        self._lines: list[str] = []
        self._indent = ""
        self._folder, self._user, self._first = Path(), "", FIRST

    def head(self, folder: Path, user: str, first: str = FIRST) -> None:
        """Of which project it tells, by whom, and the level that it begins with."""
        self._folder, self._user, self._first = folder, user, first

    def add(self, line: str) -> None:
        """Add a line."""
        self._lines.append(self._indent + line)

    @contextmanager
    def indented(self) -> Iterator[None]:
        """Lines inside stand in a block."""
        self._indent = "    "
        try:
            yield
        finally:
            self._indent = ""

    def ids(self, ids: NDArray[np.int64]) -> str:
        """Item ids, neighbours as ranges."""
        parts, runs = [], np.split(ids, np.flatnonzero(np.diff(ids) != 1) + 1)
        if self._beside and 2 * len(runs) > self._inline:
            name = f"ids{len(self.arrays) + 1}"
            self.arrays[name] = ids
            return f'IDS["{name}"]'
        for run in runs:
            if len(run) > 2:
                parts.append(f"*range({run[0]}, {run[-1] + 1})")
            else:
                parts += map(str, run.tolist())
        lines = [""]
        for part in parts:
            if len(lines[-1]) + len(part) > WIDTH:
                lines.append("")
            lines[-1] += f"{part}, "
        text = "\n    ".join(line.rstrip() for line in lines)
        return f"[{text.removesuffix(',')}]" if len(lines) == 1 else f"[\n    {text}\n]"

    def text(self) -> str:
        """The whole program."""
        named = "" if self._first == FIRST else f", level={literal(self._first)}"
        head = [
            comment(f"Does the work on the project {self._folder.name} again, in a new folder:"),
            "#     python replay.py NEW_FOLDER",
            "from __future__ import annotations",
            "",
            "import sys",
            "from pathlib import Path",
            "",
        ]
        if self.arrays:
            head += ["import numpy as np", ""]
        head += ["import celltune_nb as ct", ""]
        if self.original:
            head += [
                "# What came from memory is taken from the project's own copy.",
                f"made = ct.Session.open(Path({literal(str(self._folder))}), read_only=True)",
                *_MASK,
            ]
        if self.arrays:
            head += [f"IDS = np.load(Path(__file__).with_name({literal(self._beside)}))"]
        head += [
            f'session = ct.Session.create(sys.argv[1] if len(sys.argv) > 1 else "replay"{named})',
            f"session.user = {literal(self._user)}  # whose labels they are",
            "",
        ]
        return "\n".join([*head, *self._lines, "", "session.close()", ""])


#: A mask lies in a project with its cells numbered from 1.
_MASK = '''
def mask_of(name: str) -> object:
    """The mask of an image with the numbers that its cells have."""
    import numpy as np

    items = made.items
    numbers = items.loc[items["image"] == name, "cellID"].to_numpy()
    return np.concatenate([[0], numbers])[np.asarray(made.images[name].mask)]

'''.splitlines()
