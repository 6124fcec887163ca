"""Tests that need anndata and spatialdata, in an environment above the one of the other tests.

Both need a pandas before 3, which nobody who installs celltune_nb gets.  So they are installed beside it: a second
environment in the folder of the first holds them and that pandas, and finds everything else in the first.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ("tests/formats/test_h5ad.py", "tests/session/test_cell_tables.py", "tests/session/test_spatial.py")
"""The test files that import them, from the root on."""
NO_TESTS = 5
"""What pytest returns when nothing was chosen."""


def chosen(arguments: list[str], named: bool) -> list[str] | None:
    """What of pytest's arguments the second run gets; None when no test of it was asked for."""
    if not named:
        return [*FILES, *arguments]
    paths = [a for a in arguments if not a.startswith("-") and Path(a.split("::")[0]).exists()]
    mine = [path for path in paths if path.split("::")[0] in FILES]
    return [a for a in arguments if a not in paths or a in mine] if mine else None


def run(arguments: list[str], environment: dict[str, str]) -> int:
    """Run tests with anndata and spatialdata; pytest's exit code, 0 where they cannot be had."""
    if importlib.util.find_spec("spatialdata") is not None:
        return 0  # they are part of the first environment, and the tests ran
    print("\nThe tests of anndata and spatialdata, which need an older pandas:", flush=True)
    python, reason = prepared(place())
    if python is None:
        print(f"SKIPPED: anndata and spatialdata could not be installed ({reason}).", flush=True)
        return 0
    command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    return 0 if code == NO_TESTS else code


def place() -> Path:
    """Where the second environment lies: in the first one's folder, so that it goes with it."""
    return (Path(sys.prefix) if sys.prefix != sys.base_prefix else ROOT / "build") / "spatial"


def prepared(folder: Path) -> tuple[Path | None, str]:
    """The Python of the second environment, made when it is not there yet; or None and why not."""
    wanted = requirements()
    below = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    stamp, content = folder / "made-of.txt", "\n".join([sys.version, *wanted, *below])
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if stamp.is_file() and stamp.read_text() == content and python.exists():
        return python, ""
    try:
        shutil.rmtree(folder, ignore_errors=True)
        pip = importlib.util.find_spec("pip") is not None
        _do([sys.executable, "-m", "venv", *(["--without-pip"] if pip else []), str(folder)])
        find = "import sysconfig; print(sysconfig.get_path('purelib'))"
        own = Path(_do([str(python), "-c", find]).strip())
        # its own packages come first, and pip leaves those below as they are
        (own / "below.pth").write_text("\n".join(below) + "\n")
        _do([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted])
        _do([str(python), "-W", "ignore", "-c", "import anndata, spatialdata"])
        stamp.write_text(content)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        lines = [line for line in said.splitlines() if line.strip() and not line.startswith("WARNING")]
        shutil.rmtree(folder, ignore_errors=True)
        return None, lines[-1].strip() if lines else type(error).__name__
    return python, ""


def requirements() -> list[str]:
    """What is installed: the extra ``spatial`` of pyproject.toml, and the pandas that it works with."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [*about["project"]["optional-dependencies"]["spatial"], "pandas>=2.2,<3"]


def _do(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=900)
    return done.stdout
