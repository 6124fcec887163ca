"""The panel: what is taken out, where to, how far it is, and a download of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...data.amounts import bytes_in_words
from ...errors import CellTuneError, InputError
from ...session import Session
from ...session.files import file_stem
from ...session.jobs import Job
from ..download import LARGEST, Download
from ..panel import Panel
from ..theme import Live
from .markup import FORMATS, KINDS, form
from .places import check_place

__all__ = ["ExportingPanel"]

#: Downloads that are offered of a folder.
OFFERED = 8


class ExportingPanel(Panel):
    """Take out tables, labels, images of populations, figures, or the whole project.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    kind : str
        What is taken out; a key of :data:`~celltune_nb.panels.exporting.markup.KINDS`.
    options : dict
        How.
    job : Job or None
        The newest export.
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.kind = "cells"
        self.options: dict[str, Any] = {
            "cells format": ".csv", "labels format": ".csv", "figure format": ".png", "features": False, "calibrated": False,
            "level": "", "population": "", "image": "", "images": "all", "figure": "confusion",
        }  # fmt: skip
        self.job: Job | None = None
        self.estimate = ""
        self.resets = 0
        self._path: str | None = None
        self._form = Live()
        self._form.on("kind", self.guard(self._choose))
        self._form.on("option", self.guard(self._set_option))
        self._form.on("path", self.guard(self._set_path))
        self._form.on("export", self.guard(self.export))
        self._form.on("cancel", self.guard(self.cancel))
        self._download = Download(lambda text: self.say(text, "error"))
        self.widget = [self._form, self._download]
        self._measuring = self.latest(self._measure)
        for signal in (session.populations_changed, session.items_changed, session.categories_changed):
            self.listen(signal, self._refresh)
        self._refresh()

    # ------------------------------------------------------------------ verbs

    def choose(self, kind: str) -> None:
        """Choose what is taken out."""
        if kind not in KINDS:
            raise InputError(f"There is no export of {kind!r}. Choose one of: {', '.join(KINDS)}.")
        self.kind, self._path = kind, None
        self.say("")
        self._download.offer([])
        self.resets += 1
        self._refresh()

    def set_option(self, name: str, value: Any) -> None:
        """Set one of :attr:`options`."""
        if name not in self.options:
            raise InputError(f"There is no option {name!r}. Options: {', '.join(self.options)}.")
        self.options[name] = value
        self._path = None  # the proposal follows
        self.resets += 1
        self._refresh()

    def set_path(self, path: str) -> None:
        """Say where to: from the project's folder on, or a whole path; an empty one is the proposal."""
        self._path = path.strip() or None
        self.resets += 1
        self._refresh()

    def export(self) -> None:
        """Begin; returns at once."""
        if self.busy:
            raise InputError("An export is running already. Wait until it is done, or cancel it.")
        verb, first, options = self._call()
        target = self.target
        check_place(self.session.folder, target)
        if target.exists() and not target.resolve().is_relative_to(
            (self.session.folder / "exports").resolve()
        ):
            raise InputError(f"{target} is there already. Choose another name, or one in exports/.")
        self._download.offer([])
        call = getattr(self.session, verb)
        if verb in ("export_labels", "export_figure"):

            def work(_job: Job) -> Any:
                return call(*first, target, **options)

            self.job = self.session.jobs.aside(work, f"writing {target.name}", self._changed)
        else:
            self.job = call(*first, target, wait=False, changed=self._changed, **options)
        self._show()

    def cancel(self) -> None:
        """End the running export and leave nothing of it."""
        if self.job is not None and self.busy:
            self.job.cancel()

    # ------------------------------------------------------------------ what is chosen

    @property
    def busy(self) -> bool:
        """Whether an export waits or runs."""
        return self.job is not None and not self.job.finished

    @property
    def remaining(self) -> float | None:
        """Seconds left, None while that cannot be told."""
        if self.job is None or self.job.progress.fraction < 0.05 or self.job.seconds < 1:
            return None
        done = self.job.progress.fraction
        return self.job.seconds * (1 - done) / done

    @property
    def ending(self) -> str:
        """The ending of the file."""
        if self.kind in FORMATS:
            return str(self.options[f"{self.kind} format"])
        if self.kind == "bundle":
            return ".zip"
        return ".tif" if self.options["image"] or len(self.masked) == 1 else ""

    @property
    def level(self) -> str:
        """The level whose labels are written."""
        chosen = self.options["level"]
        return chosen if chosen in self.session.levels else self.session.level

    @property
    def population(self) -> str:
        """The population set that becomes an image."""
        chosen, known = self.options["population"], self.session.populations
        return chosen if chosen in known else "Pred_AVG" if "Pred_AVG" in known else "labels"

    @property
    def masked(self) -> list[str]:
        """The images whose pixels belong to cells."""
        return [image.name for image in self.session.images.values() if image.mask is not None]

    @property
    def can_calibrate(self) -> bool:
        """Whether there is a temperature that an audit asks for."""
        try:
            return self.session.finished_run(self.session.level).temperature is not None
        except CellTuneError:
            return False

    @property
    def path(self) -> str:
        """Where to, as it is shown."""
        if self._path is not None:
            return self._path
        name = {
            "cells": "cells",
            "labels": "labels" if self.level == self.session.level else f"labels-{_named(self.level)}",
            "population": _named(self.population.replace("/", "-"))
            + (f"-{_named(self.options['image'])}" if self.options["image"] else ""),
            "figure": self.options["figure"],
            "bundle": _named(self.session.folder.name),
        }[self.kind]
        return f"exports/{name}{self.ending}"

    @property
    def target(self) -> Path:
        """Where to, as a whole path."""
        return (self.session.folder / Path(self.path).expanduser()).absolute()

    @property
    def line(self) -> str:
        """The same as a line of Python."""
        verb, first, options = self._call()
        shown = Path(self.path)
        place = repr(str(shown.expanduser()))
        words = [
            *map(repr, first),
            place if shown.expanduser().is_absolute() else f"session.folder / {place}",
        ]
        words += [f"{name}={value!r}" for name, value in options.items()]
        return f"session.{verb}({', '.join(words)})"

    def _call(self) -> tuple[str, list[str], dict[str, Any]]:
        """The verb, what stands before the path, and its options where they are not the usual ones."""
        chosen = self.options
        if self.kind == "cells":
            named = {"features": chosen["features"] and self.ending != ".h5ad", "calibrated": chosen["calibrated"] and self.can_calibrate}  # fmt: skip
            return "export", [], {name: True for name, on in named.items() if on}
        if self.kind == "labels":
            return "export_labels", [], {} if self.level == self.session.level else {"level": self.level}
        if self.kind == "figure":
            return "export_figure", [chosen["figure"]], {}
        if self.kind == "bundle":
            return "save_bundle", [], {} if chosen["images"] == "all" else {"images": chosen["images"]}
        return "export_population", [self.population], {"image": chosen["image"]} if chosen["image"] else {}

    # ------------------------------------------------------------------ from the browser and the job

    def _choose(self, _what: str, kind: Any) -> None:
        self.choose(str(kind))

    def _set_option(self, name: str, value: Any) -> None:
        self.set_option(name, value)

    def _set_path(self, _what: str, path: Any) -> None:
        self.set_path(str(path))

    def _changed(self, job: Job) -> None:
        if self.closed:
            return
        self.job = job
        with self.setting():
            self._show()
            if job.finished:
                self._try(self._finished, (job,))

    def _finished(self, job: Job) -> None:
        if job.state == "cancelled":
            self.say("Cancelled: nothing was written.")
        elif job.error is not None:
            known = isinstance(job.error, CellTuneError)
            self.say(
                str(job.error) if known else f"This did not work ({job.error!r}). Nothing was changed.",
                "error",
            )
        else:
            path = Path(job.result)
            every = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")) if path.is_dir() else [path]  # fmt: skip
            files = every[:OFFERED]
            beside = path.with_name(f"{path.stem}_legend.csv")
            if self.kind == "population" and not path.is_dir() and beside.exists():
                files.append(beside)
            too_large = self._download.offer(files)
            inside = path.is_relative_to(self.session.folder)
            name = path.relative_to(self.session.folder) if inside else path
            shown = f"{name}" if path.is_dir() else f"{name} ({bytes_in_words(path.stat().st_size)})"
            shown += f" in {self.session.folder}" if inside else ""
            after = f" It is larger than {bytes_in_words(LARGEST)}: fetch it there." if too_large else ""
            if len(every) > len(files):
                after += f" The first {len(files)} of {len(every):,} files are offered here; fetch the others there."
            self.say(f"Written: {shown}.{after}", "good")

    # ------------------------------------------------------------------ what is shown

    def _refresh(self) -> None:
        self._show()
        self._measuring.request()

    def _show(self) -> None:
        with self.showing:
            self._form.html = form(self)

    def _measure(self) -> None:
        estimates: dict[str, Callable[[], str]] = {
            "bundle": lambda: (
                f"{self.session.bundle_size(images=self.options['images'])}, before it is compressed."
            ),
            "figure": lambda: "",
        }
        usual = lambda: f"About {bytes_in_words(self.session.export_size(self.target, **self._sized()))}."  # noqa: E731
        try:
            self.estimate = estimates.get(self.kind, usual)()
        except CellTuneError as error:
            self.estimate = str(error)
        self._show()

    def _sized(self) -> dict[str, Any]:
        if self.kind == "population":
            return {"population": self.population, "image": self.options["image"] or None}
        return (
            {"labels": self.level} if self.kind == "labels" else {"features": bool(self.options["features"])}
        )


def _named(name: str) -> str:
    """A proposal for a file's name: the name itself where it can be one on every system, else a readable part of it."""
    plain = name.replace(" ", "_")
    return plain if all(c.isalnum() or c in "-_+" for c in plain) and len(plain) <= 80 else file_stem(name)
