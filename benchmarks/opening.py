"""How long until a person can work: imports, opening a project, and the page that answers a click.

    python -m benchmarks opening

A project has one image whose cells fill it, 24 features, a training of two models and 600 labels.  The page and the
page beside it, a notebook with one button of ipywidgets, are served by the same server; each counts from going to its
address until a click has been answered; CPU is that of the kernel, which a busy machine does not stretch.  The browser
part needs Chromium and Playwright (the ``test`` extra).
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import celltune_nb as ct
from celltune_nb.session.jobs import Jobs

from .harness import OURS, Figure, Job, take

SIZES = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
CELL, FEATURES, CATEGORIES, VISITS = 8, 24, 12, 3
GOAL = 3.5  # seconds from the address to an answered click

OURS_PAGE = """
import os
os.environ["CELLTUNE_NB_PROJECT"] = {folder!r}
from celltune_nb.apps import page
page.show("cells", example="ihc")
"""
BUTTON_PAGE = """
import ipywidgets
button = ipywidgets.Button(description="press me")
button.on_click(lambda _: setattr(button, "description", "it was pressed"))
button
"""
OPEN = """
import sys, time
from pathlib import Path
start, cpu = time.perf_counter(), time.process_time()
import celltune_nb as ct
session = ct.Session.open(sys.argv[1], read_only=True)
print(time.perf_counter() - start, time.process_time() - cpu)
import psutil
about = psutil.Process().memory_info()
print(about.rss / 2**20, getattr(about, "shared", 0) / 2**20)
session.close()
"""


def run(size: str) -> Iterator[Figure]:
    if size == next(iter(SIZES)):
        yield from commands()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "project"
        project(folder, SIZES[size])
        yield from sessions(folder)
        yield from pages(folder, Path(place))


def project(folder: Path, n: int) -> None:
    """A project of about n cells, labelled a little and trained."""
    import pandas as pd

    rng = np.random.default_rng(0)
    across = int(np.sqrt(n))
    n, side = across**2, across * CELL
    rows = np.arange(side, dtype=np.int32) // CELL
    mask = rows[:, None] * np.int32(across) + rows + 1
    image = np.repeat(np.repeat(rng.integers(20, 255, (1, across, across), np.uint8), CELL, 1), CELL, 2)
    with ct.Session.create(folder, jobs=Jobs(inline=True)) as session:
        session.add_image("tissue", image, mask, channels=["DNA"])
        truth = rng.choice(CATEGORIES, n)
        values = rng.normal(0, 1, (n, FEATURES)).astype(np.float32)
        values[np.arange(n), truth] += 2
        names = [f"M{i}__Mean__Cell" for i in range(FEATURES)]
        cells = pd.DataFrame(values, columns=names)
        cells.insert(0, "cellID", np.arange(1, n + 1))
        cells.insert(0, "image", "tissue")
        cells["donor"] = pd.Categorical.from_codes(np.arange(n) * 6 // n, [f"donor {i}" for i in range(6)])
        cells["remark"] = pd.Categorical.from_codes(truth % 2, ["seen", "not seen"])
        session.import_cells(cells, features=names, group="donor")
        some = rng.choice(n, 600, replace=False)
        for i in range(CATEGORIES):
            session.categories.add(f"category {i}", key="")
            session.label(session.table.ids[some[truth[some] == i]], f"category {i}")
        session.train(models=("xgboost", "lightgbm"), rounds=10, wait=True)
        session.set_view(color_by="Pred_AVG")


def commands() -> Iterator[Figure]:
    """Processes that do one thing and end."""
    python = [sys.executable, "-c"]
    program = str(Path(sys.executable).with_name("celltune-nb"))
    jupyter = str(Path(sys.executable).with_name("jupyter"))
    wanted = {
        "import": [
            (OURS, [*python, "import celltune_nb"]),
            ("pandas", [*python, "import pandas"]),
            ("scikit-image", [*python, "from skimage.measure import regionprops"]),
            ("Python itself", [*python, "pass"]),
        ],
        "say what is installed": [(OURS, [program, "info"]), ("jupyter --version", [jupyter, "--version"])],
    }
    for task, programs in wanted.items():
        for name, command in programs:
            taken = [process(command) for _ in range(3)]
            yield Figure(task, name, *min(taken))


def process(command: list[str]) -> tuple[float, float]:
    """Seconds and CPU seconds of a program from start to end."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def sessions(folder: Path) -> Iterator[Figure]:
    def fresh() -> list[float]:
        out = subprocess.run(
            [sys.executable, "-c", OPEN, str(folder)], stdout=subprocess.PIPE, text=True, check=True
        )
        return [float(word) for word in out.stdout.split()]

    seconds, cpu, rss, shared = min(fresh() for _ in range(3))
    yield Figure("import and open", OURS, seconds, cpu, extra={"RSS MiB": rss, "of it shared": shared})
    taken = take(lambda: ct.Session.open(folder, read_only=True, jobs=Jobs(inline=True)).close(), repeats=5)
    yield Figure("open", OURS, taken.seconds, taken.cpu, taken.peak)
    taken = take(lambda: everything(folder), repeats=3)
    yield Figure("open", "pandas, all tables read", taken.seconds, taken.cpu, taken.peak)


def everything(folder: Path) -> list[Any]:
    """The same files, read as a script would read them."""
    import pandas as pd

    tables = [pd.read_parquet(path) for path in sorted(folder.rglob("*.parquet"))]
    return [*tables, *(np.load(path) for path in folder.glob("features/*/*.npy"))]


def pages(folder: Path, place: Path) -> Iterator[Figure]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("Playwright is not installed; the page is left out.")
        return
    from tests.served import Page, write_notebook

    sources = {OURS: OURS_PAGE.format(folder=str(folder)), "Voilà with one button": BUTTON_PAGE}
    visits: dict[str, Callable[[Any], float]] = {
        OURS: select_a_cell,
        "Voilà with one button": press_the_button,
    }
    served, started = {}, {}
    for number, (name, source) in enumerate(sources.items()):
        notebook = write_notebook(place / f"page{number}.ipynb", source)
        start = time.perf_counter()
        served[name] = Page(notebook)
        started[name] = time.perf_counter() - start
    took: dict[str, list[tuple[float, ...]]] = {name: [] for name in served}
    try:
        for name, seconds in started.items():
            yield Figure("start the server", name, seconds)
        found = shutil.which("chromium") or shutil.which("chromium-browser")
        flags = ["--disable-gpu", *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]
        with sync_playwright() as program:
            browser = program.chromium.launch(executable_path=found, args=flags)
            for _ in range(VISITS):
                for name, page in served.items():
                    context = browser.new_context(viewport={"width": 1280, "height": 800})
                    context.new_page()  # as in a person's browser, the window stays when a page is closed
                    tab = context.new_page()
                    start = time.perf_counter()
                    tab.goto(page.address, timeout=120_000)
                    seen = visits[name](tab)
                    seconds = time.perf_counter() - start
                    took[name].append((seconds, seen - start, *kernel_of(page)))
                    tab.close(run_before_unload=True)
                    page.wait_for_kernels(0)
                    context.close()
            browser.close()
        for name, rounds in took.items():
            seconds, seen, cpu, memory = min(rounds)
            goal = {"goal": "≤ 3.5 s", "met": seconds <= GOAL} if name == OURS else {}
            extra = {"something to see s": seen, "kernel MiB": memory}
            yield Figure("page, a click answered", name, seconds, cpu, extra=extra, **goal)
    finally:
        for page in served.values():
            page.end()


def kernel_of(page: Any) -> tuple[float, float]:
    """CPU seconds and MiB of the kernel behind a page so far."""
    (kernel,) = page.kernels()
    times = kernel.cpu_times()
    return times.user + times.system, kernel.memory_info().rss / 2**20


def select_a_cell(tab: Any) -> float:
    """Wait for the picture, click a cell, wait until it is selected; when the picture was there."""
    canvas = tab.locator("canvas.ct-image").first
    canvas.wait_for(timeout=60_000)
    tab.wait_for_function(
        """() => {
            const canvas = document.querySelector("canvas.ct-image");
            if (!canvas || !canvas.width || !canvas.height) return false;
            const seen = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 40, 40).data;
            return new Set(seen.filter((_, i) => i % 4 === 0)).size > 3;
        }""",
        polling=20,
        timeout=60_000,
    )
    seen = time.perf_counter()
    box = canvas.bounding_box()
    tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.get_by_text("1 cell selected").first.wait_for(timeout=60_000)
    return seen


def press_the_button(tab: Any) -> float:
    """Wait for the button, press it, wait for its answer; when the button was there."""
    button = tab.get_by_role("button", name="press me")
    button.wait_for(timeout=60_000)
    seen = time.perf_counter()
    button.click()
    tab.get_by_text("it was pressed").wait_for(timeout=60_000)
    return seen


JOBS = [
    Job(
        "opening",
        "imports, opening a project and its page beside pandas, scikit-image and a bare Voilà page",
        tuple(SIZES),
        run,
    )
]
