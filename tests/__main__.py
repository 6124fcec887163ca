"""Run every test: ``python -m tests``, from the root of the repository.

Finds a Chromium for the tests that need a browser, installs one where there is none, and hands over to pytest: on all
cores for the tests that bear it, then one by one for the others (browser, notebooks, whatever measures time), then for
what needs anndata and spatialdata.  Arguments go to pytest: ``python -m tests -m "not browser"`` leaves the browser
out; ``python -m tests tests/learn -x`` runs what is named, in one process.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests import overlay

ROOT = Path(__file__).resolve().parents[1]
BROWSER = "CELLTUNE_NB_BROWSER"
"""Environment variable with the browser's program; unset, Playwright's own is used."""

CORES = 4
"""Processes side by side, at most: each of them loads every library, half a gigabyte."""

ROOM = 12 << 30
"""Bytes of memory that are free where the tests' folders (2 GB) lie in it."""

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def main(arguments: list[str]) -> int:
    """Return pytest's exit code."""
    environment = dict(os.environ)
    wants_browser = not any("not browser" in argument for argument in arguments)
    if wants_browser and not find_browser(environment):
        install_browser()
        if not find_browser(environment):
            print(
                "No Chromium was found and none could be installed. Install one (on Debian: apt-get install "
                'chromium), or run the other tests: python -m tests -m "not browser"',
                file=sys.stderr,
            )
            return 1
    named = any(
        Path(argument.split("::")[0]).exists() for argument in arguments if not argument.startswith("-")
    )
    with tempfile.TemporaryDirectory(prefix="celltune-nb-tests-", ignore_cleanup_errors=True) as folder:
        # example projects of the tests stay apart from the person's own
        environment["XDG_DATA_HOME"] = folder
        # Compiled files are kept: hundreds of processes are started below, and each would compile everything again.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        # One process a core: threads of libraries would wait for one another.
        single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        parts = [["--nbval-lax", "--nbval-current-env", *arguments]] if named else split(arguments)
        codes: list[int] = []
        for part in parts:
            command = [sys.executable, "-m", "pytest", *part]
            around = {**environment, **(single if "-n" in part else {})}
            with in_memory("-n" in part and not any(a.startswith("--basetemp") for a in part)) as options:
                command += options
                codes.append(subprocess.run(command, cwd=ROOT, env=around, check=False).returncode)
            if codes[-1] not in (0, overlay.NO_TESTS) and (codes[-1] != 1 or _ends_early(arguments)):
                break  # interrupted, or asked to end at a failure
        code = summed(codes)
        more = overlay.chosen(arguments, named)
        if more is None or code not in (0, overlay.NO_TESTS):
            return code
        return overlay.run(more, environment)


@contextlib.contextmanager
def in_memory(wanted: bool) -> Iterator[list[str]]:
    """Options that let pytest's temporary folders lie in memory, where there is plenty of it; the folder goes at the end.

    Projects wait for the disk before they say that a label is saved: a sixth of the time of all tests.
    """
    memory = Path("/dev/shm")
    if not wanted or not memory.is_dir() or not os.access(memory, os.W_OK) or _free(memory) < ROOM:
        yield []
        return
    with tempfile.TemporaryDirectory(
        prefix="celltune-nb-tests-", dir=memory, ignore_cleanup_errors=True
    ) as folder:
        yield ["--basetemp", f"{folder}/tests"]


def _free(memory: Path) -> int:
    import psutil

    return min(shutil.disk_usage(memory).free, psutil.virtual_memory().available)


def split(arguments: list[str]) -> list[list[str]]:
    """What pytest is given when no test is named: the tests side by side, then those that are to run alone."""
    wish, rest = marked(arguments)
    within = f"({wish}) and " if wish else ""
    notebooks = ["notebooks"] if (ROOT / "notebooks").is_dir() else []
    cores = min(CORES, _cores())
    alone = ["--nbval-lax", "--nbval-current-env", "--tb=short"]
    if cores < 2 or importlib.util.find_spec("xdist") is None or "--pdb" in rest:
        return [[*alone, "tests", *notebooks, *(["-m", wish] if wish else []), *rest]]
    # nbval alone loads for a second in each process
    side = [
        "-n",
        str(cores),
        "--dist",
        "worksteal",
        "-p",
        "no:nbval",
        "--tb=short",
        "tests",
        "--ignore=tests/browser",
    ]
    return [
        [*side, "-m", f"{within}not alone and not browser", *rest],
        [*alone, *with_marks(), *notebooks, "-m", f"{within}(alone or browser)", *rest],
    ]


def with_marks() -> list[str]:
    """The test files in which something is marked ``alone`` or ``browser``: the others need not be loaded again."""
    marks = re.compile(r"mark\.(alone|browser)\b")
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in files if marks.search(path.read_text("utf-8"))]


def marked(arguments: list[str]) -> tuple[str, list[str]]:
    """The expression over marks among pytest's arguments (the last ``-m``, as there), and the other arguments."""
    wish, rest, following = "", [], iter(arguments)
    for argument in following:
        if argument == "-m":
            wish = next(following, "")
        elif argument.startswith("-m") and not argument.startswith("--"):
            wish = argument[2:].removeprefix("=")
        else:
            rest.append(argument)
    return wish, rest


def summed(codes: list[int]) -> int:
    """One exit code for several runs: the first that is a failure; no tests only if there were none in any."""
    bad = [code for code in codes if code not in (0, overlay.NO_TESTS)]
    return bad[0] if bad else 0 if 0 in codes else overlay.NO_TESTS


def _ends_early(arguments: list[str]) -> bool:
    return any(
        argument in ("-x", "--exitfirst") or argument.startswith("--maxfail") for argument in arguments
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_browser(environment: dict[str, str]) -> bool:
    """Whether there is a browser that starts; its place goes into the environment."""
    for program in filter(None, [environment.get(BROWSER), *map(shutil.which, NAMES)]):
        # Ubuntu's chromium-browser may be a note that says to install a snap
        if _succeeds([program, "--version"]):
            environment[BROWSER] = program
            return True
    environment.pop(BROWSER, None)
    find = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
    found = subprocess.run([sys.executable, "-c", find], capture_output=True, text=True, check=False)
    return found.returncode == 0 and Path(found.stdout.strip()).is_file()


def install_browser() -> None:
    """Try Debian's package, then Playwright's download."""
    print("No browser found: installing Chromium …", flush=True)
    as_root = _as_root()
    if as_root is not None and shutil.which("apt-get") and not _is_ubuntu():
        _succeeds([*as_root, "apt-get", "update", "-q"])
        packages = ["chromium", "fonts-liberation"]
        install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
        if _succeeds([*as_root, "env", "DEBIAN_FRONTEND=noninteractive", *install]):
            return
    playwright = [sys.executable, "-m", "playwright", "install"]
    with_deps = ["--with-deps"] if as_root is not None and sys.platform == "linux" else []
    _ = _succeeds([*playwright, *with_deps, "chromium"]) or _succeeds([*playwright, "chromium"])


def _as_root() -> list[str] | None:
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return []
    return ["sudo", "-n"] if shutil.which("sudo") and _succeeds(["sudo", "-n", "true"]) else None


def _is_ubuntu() -> bool:
    # its chromium package only fetches a snap
    release = Path("/etc/os-release")
    return release.is_file() and "ID=ubuntu" in release.read_text().splitlines()


def _succeeds(command: list[str]) -> bool:
    quiet = subprocess.DEVNULL if command[-1] in {"--version", "true"} else None
    try:
        return subprocess.run(command, stdout=quiet, stderr=quiet, check=False, timeout=900).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
