"""Files as downloads, for a person whose computer is not the one that wrote them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
from traitlets import Dict, List

from ..data.amounts import bytes_in_words
from ..errors import FormatError

__all__ = ["LARGEST", "Download"]

#: Bytes up to which a file is offered: a browser puts it together in memory.
LARGEST = 512 << 20
#: Bytes of a message.
PART = 2 << 20

_SCRIPT = Path(__file__).parents[0] / "static" / "download.js"


class Download(anywidget.AnyWidget):
    """A button a file; nothing but the files that were offered can be asked for.

    Parameters
    ----------
    failed : callable
        Is told in a sentence what went wrong.
    """

    _esm = _SCRIPT.read_text("utf-8")

    files = List(Dict()).tag(sync=True)

    def __init__(self, failed: Callable[[str], object]) -> None:
        super().__init__()
        self._failed = failed
        self._paths: list[tuple[Path, int]] = []
        self.on_msg(self._hear)

    def offer(self, paths: Sequence[Path]) -> list[Path]:
        """Show buttons for these files instead of those before; those that are too large are given back."""
        found = [(path, path.stat().st_size) for path in paths]
        self._paths = [(path, nbytes) for path, nbytes in found if nbytes <= LARGEST]
        self.files = [{"name": path.name, "size": bytes_in_words(nbytes)} for path, nbytes in self._paths]
        return [path for path, nbytes in found if nbytes > LARGEST]

    def _hear(self, _widget: Any, content: Mapping[str, Any], _buffers: Any) -> None:
        number, at, token = content.get("file"), content.get("at"), str(content.get("token", ""))[:40]
        if content.get("type") != "part" or not isinstance(number, int) or not isinstance(at, int):
            return
        try:
            if not 0 <= number < len(self._paths):
                raise FormatError("That file is not offered any more. Export it again.")
            path, nbytes = self._paths[number]
            if path.stat().st_size != nbytes:
                raise FormatError(f"{path.name} was changed meanwhile. Export it again.")
            with path.open("rb") as stream:
                stream.seek(max(0, at))
                part = stream.read(PART)
        except (OSError, FormatError) as error:
            self.send({"type": "failed", "token": token})
            self._failed(
                str(error)
                if isinstance(error, FormatError)
                else f"{path.name} cannot be read ({error.strerror})."
            )
            return
        after = max(0, at) + len(part)
        message = {
            "type": "part",
            "token": token,
            "next": after,
            "done": after >= nbytes,
            "share": after / max(nbytes, 1),
        }
        self.send(message, [part])
