"""What every panel is: a widget that shows a part of a session, calls its verbs and frees itself.

A panel is written like this::

    class CountPanel(Panel):
        def __init__(self, session):
            super().__init__(session)
            self._count = theme.text()
            self._clear = theme.button("Clear", self.guard(self.clear))
            self.widget = theme.column(self._count, self._clear)
            self.listen(session.selection_changed, self._selected)
            self._selected()

        def clear(self):  # a verb that a test calls without a browser
            self.session.select([])

        def _selected(self, event=None):  # from any thread: sets traits only
            self._count.value = f"{len(self.session.selection)} selected"
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from html import escape
from typing import Any, Literal

from ipywidgets import HTML, VBox, Widget

from ..errors import CellTuneError
from ..session import Session
from ..session.jobs import LatestWins
from . import theme

__all__ = ["Panel", "free"]

_log = logging.getLogger("celltune_nb")

#: The panel of each class that is open on a session.  Weak on both sides: a session and its panels go together.
_OPEN: weakref.WeakKeyDictionary[Session, dict[type, weakref.ref[Panel]]] = weakref.WeakKeyDictionary()

Kind = Literal["info", "good", "warning", "error"]


class Panel:
    """A widget on a session.

    Opening a panel again on the same session closes the one before, so a re-run cell leaves nothing behind.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    session : Session
    message : str
        What the message line says now, plain text; empty when nothing.
    closed : bool
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.closed = False
        self.message = ""
        self._kind: Kind = "info"
        self._whole: weakref.ref[Panel] | None = None
        self._connections: list[tuple[Any, Callable[..., Any]]] = []
        self._workers: list[LatestWins] = []
        self._asleep, self._put_off = False, dict[LatestWins, tuple[Any, ...]]()
        self._parts: list[Panel] = []
        self._owned: list[Widget] = []
        self._setting = threading.local()
        #: Held while what is shown is put together and set, so that an older state never overwrites a newer one.
        #: No verb of the session is called under it.
        self.showing = threading.RLock()
        self._styles = theme.styles()
        # A line is kept free for the message, so that nothing moves when one comes.
        self._message = HTML("&nbsp;")
        self._message.add_class("ct-message")
        self._root = VBox([self._styles, self._message])
        self._root.add_class("ct")
        before = _OPEN.setdefault(session, {}).get(type(self))
        if before is not None and (panel := before()) is not None:
            panel.close()
        _OPEN[session][type(self)] = weakref.ref(self)

    # ------------------------------------------------------------------ what is shown

    @property
    def widget(self) -> VBox:
        """What is displayed: the styles, the panel's content and its message line.

        Setting it to a widget (or several) makes that the content.
        """
        return self._root

    @widget.setter
    def widget(self, content: Widget | Iterable[Widget]) -> None:
        shown = [content] if isinstance(content, Widget) else list(content)
        self._root.children = (self._styles, *shown, self._message)

    def _repr_mimebundle_(self, **how: Any) -> Any:
        return self._root._repr_mimebundle_(**how)

    def say(self, text: str, kind: Kind = "info") -> None:
        """Put a sentence on the message line; an empty one clears it.

        Parameters
        ----------
        text : str
            Plain text.
        kind : {"info", "good", "warning", "error"}
        """
        self.message, self._kind = text, kind
        role = "alert" if kind == "error" else "status"
        self._message.value = (
            f'<div class="ct-note ct-{kind}" role="{role}">{escape(text)}</div>' if text else "&nbsp;"
        )

    def hush(self) -> None:
        """Clear what was said here and in the parts, but for errors: the person has gone on to something else."""
        if self.message and self._kind != "error":
            self.say("")
        for panel in self._parts:
            panel.hush()

    # ------------------------------------------------------------------ callbacks

    def hear(self, live: theme.Live, verbs: Mapping[str, Callable[..., Any]]) -> None:
        """Carry out what the elements of a page ask for (``do=``), each as :meth:`guard` does."""
        for verb, act in verbs.items():
            live.on(verb, self.guard(act))

    def guard(self, act: Callable[..., Any]) -> Callable[..., None]:
        """Make a callback of *act* that a person may trigger: what goes wrong is said in place.

        The callback takes the arguments of *act*; a button that passes itself to an *act* without
        parameters is no error.  While the panel itself sets its widgets (:meth:`setting`) it does nothing.

        Parameters
        ----------
        act : callable

        Returns
        -------
        callable
            Never raises.  A ``CellTuneError`` stands on the message line; any other error also in
            ``session.problems``.
        """
        takes = theme.arity(act)

        @wraps(act)
        def callback(*arguments: Any) -> None:
            if self.closed or getattr(self._setting, "on", False):
                return
            # What the whole said before would lie over what its part says now.
            panel: Panel | None = self
            while panel is not None:
                if panel.message:
                    panel.say("")
                panel = None if panel._whole is None else panel._whole()
            self._try(act, arguments[:takes])

        return callback

    def listen(self, signal: Any, hear: Callable[..., Any]) -> None:
        """Call *hear* at each emission of a session's signal, until the panel is closed.

        Parameters
        ----------
        signal : psygnal.SignalInstance
            It may be emitted in any thread, so *hear* only sets traits.
        hear : callable
            Takes the payload, or nothing.
        """
        takes = theme.arity(hear)

        def heard(payload: Any) -> None:
            if not self.closed:
                with self.setting():
                    self._try(hear, (payload,)[:takes])

        signal.connect(heard, check_nargs=False)
        self._connections.append((signal, heard))

    def latest(self, work: Callable[..., object], *after: Any) -> LatestWins:
        """A worker that carries out only the newest request; ended in :meth:`close`.

        For what takes longer than a few milliseconds: ``self.latest(fn).request(*arguments)``.  Arguments
        that *work* does not take are left out, so ``request`` itself can be given to :meth:`listen`; each of
        the signals *after* is such a request.
        """
        takes = theme.arity(work)

        def guarded(*arguments: Any) -> None:
            if not self.closed:
                with self.setting():
                    self._try(work, arguments[:takes])

        worker = self.session.jobs.latest(guarded, hold=self._hold)
        self._workers.append(worker)
        for signal in after:
            self.listen(signal, worker.request)
        return worker

    def _hold(self, worker: LatestWins, arguments: tuple[Any, ...]) -> bool:
        if self._asleep:
            self._put_off[worker] = arguments
        return self._asleep

    def rest(self, asleep: bool) -> None:
        """While nobody looks, put off what :meth:`latest` works out; on waking the newest requests are carried out.

        For a panel of much work on a hidden tab: it would take the time from the panel that is looked at.
        """
        self._asleep = asleep
        if not asleep:
            waiting, self._put_off = self._put_off, {}
            for worker, arguments in waiting.items():
                worker.request(*arguments)

    @contextmanager
    def setting(self) -> Iterator[None]:
        """While the panel sets its own widgets: callbacks of :meth:`guard` are silent in this thread.

        What a person does meanwhile arrives in another thread, or later, and is heard.
        """
        before = getattr(self._setting, "on", False)
        self._setting.on = True
        try:
            yield
        finally:
            self._setting.on = before

    def _try(self, act: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        try:
            act(*arguments)
        except CellTuneError as error:
            self.say(str(error), "error")
        except Exception as error:  # noqa: BLE001  nothing a person did may end in silence or in a traceback
            where = f"{type(self).__name__}.{getattr(act, '__name__', 'callback')}"
            _log.exception("%s failed", where)
            self.session.problems.append(f"{where} failed: {error!r}")
            self.say(
                f"This did not work ({type(error).__name__}: {error}). Your labels are safe; "
                "the details are in session.problems.",
                "error",
            )

    # ------------------------------------------------------------------ the end

    def part(self, panel: Panel) -> Panel:
        """Make another panel a part of this one: closed with it."""
        self._parts.append(panel)
        panel._whole = weakref.ref(self)
        return panel

    def own(self, *widgets: Widget) -> None:
        """Have widgets freed in :meth:`close` that are not in :attr:`widget` all the time."""
        self._owned += widgets

    def close(self) -> None:
        """Stop listening and free every widget and comm of the panel; a second call does nothing."""
        if self.closed:
            return
        self.closed = True
        for signal, heard in self._connections:
            signal.disconnect(heard, missing_ok=True)
        self._connections.clear()
        for worker in self._workers:
            worker.close()
        for panel in self._parts:
            panel.close()
        free(self._root, *self._owned)
        known = _OPEN.get(self.session, {})
        if type(self) in known and known[type(self)]() is self:
            del known[type(self)]


def free(*roots: Widget) -> None:
    """Close widgets and all that they refer to: children, layouts, styles, marks, scales.

    ``Widget.close`` alone leaves those behind, each with a comm of its own.
    """
    seen: dict[int, Widget] = {}
    waiting: list[Any] = list(roots)
    while waiting:
        value = waiting.pop()
        if isinstance(value, Widget):
            # ipycanvas draws all canvases through one manager, which outlives each of them
            if id(value) in seen or type(value).__name__ == "_CanvasManager":
                continue
            seen[id(value)] = value
            waiting += [getattr(value, key, None) for key in value.keys if key != "comm"]
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += [v for v in value if isinstance(v, Widget | dict | list | tuple)]
    for widget in seen.values():
        widget.close()
