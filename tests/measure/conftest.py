"""The kernels are compiled once, here, and not by a process beside the tests."""

from __future__ import annotations

import pytest

from celltune_nb.measure import warm_up


@pytest.fixture(scope="session", autouse=True)
def compiled():
    warm_up(texture=True)
