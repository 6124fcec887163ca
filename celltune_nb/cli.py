"""The command line: ``celltune-nb demo``, ``celltune-nb open FOLDER`` and ``celltune-nb info``."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path

from .errors import CellTuneError, InputError

__all__ = ["main"]

NOTEBOOKS = Path(__file__).resolve().parent / "apps"
SHOWN_PACKAGES = (
    "numpy",
    "pandas",
    "scikit-learn",
    "scikit-image",
    "numba",
    "xgboost",
    "catboost",
    "lightgbm",
    "torch",
    "pyarrow",
    "ipywidgets",
    "ipycanvas",
    "bqplot",
    "anywidget",
    "ipykernel",
    "jupyterlab",
    "voila",
    "dask",
    "anndata",
    "spatialdata",
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; by default those of the process.

    Returns
    -------
    int
        0; 2 when what was asked for cannot be done, with the reason on standard error; 130 when interrupted.
    """
    options = _parser().parse_args(argv)
    try:
        options.run(options)
    except CellTuneError as error:
        print(f"celltune-nb: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="celltune-nb",
        description="Teach a classifier to your cells, in the browser.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"celltune-nb {_version('celltune-nb')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    demo = commands.add_parser(
        "demo",
        help="open an example in the browser",
        description="Prepare an example project, once, and open it in the browser.",
    )
    demo.add_argument(
        "name",
        nargs="?",
        default="cells",
        metavar="WORKFLOW",
        help=f"a workflow ({', '.join(workflows())}) or an example of one; default: cells, on real cells",
    )
    demo.add_argument("--project", type=Path, metavar="FOLDER", help="where to keep the example's project")
    _add_serving(demo)
    demo.set_defaults(run=_demo)

    opened = commands.add_parser(
        "open",
        help="open a project, a bundle of one, or a folder of images, in the browser",
        description="Open a project folder in the browser. A bundle (.zip, from the Export tab) is unpacked first, beside itself or "
        "where --project says. A folder of images gets a project of its own, beside it in "
        "FOLDER-celltune or where --project says; the page then begins with what was found in the folder. The images are "
        "never changed.",
    )
    opened.add_argument(
        "folder",
        type=Path,
        metavar="FOLDER",
        help="the folder of a project, a bundle (.zip), or a folder of images",
    )
    opened.add_argument(
        "--project",
        type=Path,
        metavar="FOLDER",
        help="where the project of a bundle or of a folder of images is kept",
    )
    opened.add_argument("--workflow", choices=workflows(), default="cells", help="default: cells")
    _add_serving(opened)
    opened.set_defaults(run=_open)

    info = commands.add_parser(
        "info",
        help="print versions and devices",
        description="Print what a bug report needs: versions, devices and folders.",
    )
    info.set_defaults(run=_info)
    return parser


def _add_serving(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, help="port on this machine; default: the first free one from 8866 on"
    )
    parser.add_argument(
        "--token",
        action="store_true",
        help="let in only who has the printed address, on a machine that others use",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address and open nothing")


def workflows() -> list[str]:
    """Return the workflows that have a page, ``cells`` first."""
    names = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
    return sorted(names, key=lambda name: name != "cells")


# ---------------------------------------------------------------- demo, open


def _demo(options: argparse.Namespace) -> None:
    from .apps.server import choose_port

    # a busy port is said before the preparation, not after it
    port = choose_port(options.port)
    workflow, example = _find_example(options.name)
    folder = _prepare(example, options.project)
    _serve(workflow, folder, port, options)


def _open(options: argparse.Namespace) -> None:
    import celltune_nb as ct

    from .apps.server import choose_port

    port = choose_port(options.port)
    images = options.folder.expanduser().absolute()
    look_at = None
    if images.is_file() and images.suffix.lower() == ".zip":
        images = _unpack(images, options.project)
    elif options.project is not None or (images.is_dir() and not (images / "project.json").exists()):
        images, look_at = _begin(images, options.project), images
    # what is wrong with a folder is said here rather than on a page
    with ct.Session.open(images, read_only=True) as session:
        folder = Path(session.folder)
    _serve(options.workflow, folder, port, options, look_at)


def _unpack(bundle: Path, project: Path | None) -> Path:
    """The project of a bundle: unpacked unless that was done before."""
    import celltune_nb as ct

    place = (project or bundle.with_suffix("")).expanduser().absolute()
    if (place / "project.json").exists():
        print(f"{bundle.name} was unpacked before; its project is {place}.", flush=True)
        return place
    ct.Session.open(bundle, folder=place).close()
    print(f"{bundle.name} is unpacked in {place}.", flush=True)
    return place


def _begin(images: Path, project: Path | None) -> Path:
    """The project of a folder of images: made unless it is there; the folder itself where it holds no image."""
    import celltune_nb as ct

    from .formats.folders import recognise

    if (images / "project.json").exists():
        raise InputError(f"{images} is a project itself. Leave out --project, or name a folder of images.")
    plan = recognise(images)
    if not plan.images:
        raise InputError(
            f"{images} is no project, and no image was found in it. Give a project's folder, or one that holds TIFF, OME-TIFF, "
            "OME-Zarr or .npy images."
        )
    place = (project or images.with_name(f"{images.name}-celltune")).expanduser().absolute()
    if (place / "project.json").exists():
        print(f"{images} holds images; their project is {place}.", flush=True)
        return place
    ct.Session.create(place).close()
    print(f"{images} holds images: {plan.summary()}", flush=True)
    print(f"The project is kept in {place} (--project names another place).", flush=True)
    return place


def _find_example(name: str) -> tuple[str, str]:
    """Return the workflow and the example that a name of either stands for."""
    from . import datasets

    table = datasets.available()
    examples = {
        str(example): str(workflow)
        for example, workflow in zip(table["name"], table["workflow"], strict=True)
        if workflow in workflows()
    }
    if name in examples:
        return examples[name], name
    for example, workflow in examples.items():
        if workflow == name:
            return workflow, example
    known = ", ".join([*dict.fromkeys(examples.values()), *examples])
    raise InputError(f"There is no demo {name!r}. Choose one of: {known}.")


def _prepare(example: str, project: Path | None) -> Path:
    from . import datasets

    started = time.monotonic()
    print(f"Preparing the example {example!r} (the first time takes a while) …", flush=True)
    with datasets.load(example, project=project) as session:
        folder = Path(session.folder)
        items = len(session.items)
    print(f"{items:,} items in {folder}, ready after {time.monotonic() - started:.0f} s.", flush=True)
    return folder


def _serve(
    workflow: str, folder: Path, port: int, options: argparse.Namespace, look_at: Path | None = None
) -> None:
    from .apps import page
    from .apps.server import serve

    serve(
        NOTEBOOKS / f"{workflow}.ipynb",
        environment={
            page.FOLDER: str(folder.resolve()),
            page.LOOK_AT: "" if look_at is None else str(look_at),
        },
        port=port,
        token=options.token,
        open_browser=not options.no_browser,
        say=_say,
    )


def _say(line: str) -> None:
    print(line, flush=True)


# ---------------------------------------------------------------- info


def _info(_options: argparse.Namespace) -> None:
    rows: list[tuple[str, Callable[[], str]]] = [
        ("celltune_nb", lambda: _version("celltune-nb")),
        ("Python", lambda: f"{platform.python_version()} ({sys.executable})"),
        ("system", platform.platform),
        ("cores", _cores),
        ("memory", _memory),
        ("CUDA", _cuda),
        ("data folder", _data_folder),
        ("compiled kernels", _kernels),
        *((name, lambda name=name: _version(name)) for name in SHOWN_PACKAGES),
    ]
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        print(f"{label:<{width}}  {_told(value)}", flush=True)


def _told(value: Callable[[], str]) -> str:
    # a report about a broken installation must come out whole
    try:
        return value()
    except Exception as error:  # noqa: BLE001
        return f"unknown ({type(error).__name__}: {error})"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _cores() -> str:
    from .learn.machine import cpu_count

    usable, seen = cpu_count(), os.cpu_count()
    return str(usable) if usable == seen else f"{usable} usable of {seen}"


def _memory() -> str:
    import psutil

    memory = psutil.virtual_memory()
    return f"{memory.available / 2**30:.1f} GiB free of {memory.total / 2**30:.1f} GiB"


def _cuda() -> str:
    try:
        import torch
    except ImportError:
        return "unknown (torch is not installed)"
    if not torch.cuda.is_available():
        return "none"
    return ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))


def _data_folder() -> str:
    import platformdirs

    folder = platformdirs.user_data_path("celltune_nb", appauthor=False)
    return str(folder) if folder.is_dir() else f"{folder} (not there yet)"


def _kernels() -> str:
    count = len({path.name for path in _kernel_files()})
    if count:
        return f"{count} on disk"
    return (
        "none on disk: the first picture takes a few seconds longer, the first cells are measured with NumPy"
    )


def _kernel_files() -> Iterator[Path]:
    yield from NOTEBOOKS.parent.rglob("__pycache__/*.nbi")
    elsewhere = os.environ.get("NUMBA_CACHE_DIR")
    if elsewhere:
        yield from Path(elsewhere).rglob("*.nbi")


if __name__ == "__main__":
    sys.exit(main())
