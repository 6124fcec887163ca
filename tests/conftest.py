"""What every floor's tests share."""

from __future__ import annotations

import os
import random
import secrets
import signal
from pathlib import Path

import hypothesis
import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Run in the background of a shell: the programs that tests start would not hear Ctrl-C either.
    signal.signal(signal.SIGINT, signal.default_int_handler)


if "PYTEST_XDIST_WORKER" in os.environ and "XDG_DATA_HOME" in os.environ:
    # Tests side by side: example projects that one of them breaks on purpose are not another's.
    _own = Path(os.environ["XDG_DATA_HOME"], os.environ["PYTEST_XDIST_WORKER"])
    _own.mkdir(parents=True, exist_ok=True)
    os.environ["XDG_DATA_HOME"] = str(_own)


hypothesis.settings.register_profile(
    "tests",
    derandomize=True,
    deadline=None,  # how long an example takes depends on the machine
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cells of notebooks go one after the other, whatever else runs side by side."""
    for item in items:
        if " at 0x" in item.nodeid:  # processes side by side have to find the same tests
            raise pytest.UsageError(
                f"There is an address in a test's name: give its case an id. {item.nodeid}"
            )
        if item.path.suffix == ".ipynb":
            item.add_marker("alone")


def _repeatable() -> None:
    """What is drawn without a seed is drawn alike in every run: a test passes always or never."""
    secrets.randbits = random.Random(0).getrandbits


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup() -> None:
    """Each fixture begins anew, in whatever order the tests come."""
    _repeatable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    """And so does each test."""
    _repeatable()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real example data beside the project; absent on most machines."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real example data (../shared/data) is not on this machine")
    return folder
