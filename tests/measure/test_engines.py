"""A fresh installation measures at once, and so does one without numba."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FRESH = """
import sys, time
{before}
import numpy as np
from celltune_nb.errors import InputError
from celltune_nb.measure import measure_cells, engines
mask = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((9, 9), int))
image = np.random.default_rng(0).random((2, *mask.shape)).astype(np.float32)
one = measure_cells(image, mask, ["a", "b"], texture="a")
two = measure_cells(image, mask, ["a", "b"], texture="a", engine="numpy")
np.testing.assert_array_equal(one.matrix, two.matrix)
{after}
"""

NOT_COMPILED = """
from celltune_nb.measure.compiled.intensity import measure_runs
assert not measure_runs.signatures, "compiled while somebody waited"
(compiler,) = engines._compilers.values()
assert compiler.poll() is None, "nobody compiles"
"""

NO_NUMBA = """
try:
    measure_cells(image, mask, ["a", "b"], engine="numba")
except InputError as error:
    print(error)
assert not engines._compilers
"""


def run(before, after, **environment):
    program = FRESH.format(before=before, after=after)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_fresh_installation_measures_while_another_process_compiles(tmp_path):
    done = run("", NOT_COMPILED, NUMBA_CACHE_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_without_numba_everything_is_measured():
    done = run("sys.modules['numba'] = None", NO_NUMBA)
    assert done.returncode == 0, done.stderr
    assert 'engine="numpy"' in done.stdout


def test_where_nothing_can_be_kept_it_is_compiled_at_once(monkeypatch):
    from celltune_nb.measure import engines
    from celltune_nb.measure.compiled import engine

    monkeypatch.setattr(engines, "_ready", set())
    monkeypatch.setattr(engines, "_compilers", {})
    monkeypatch.setattr(engines, "is_ready", lambda **_: False)
    monkeypatch.setattr("celltune_nb.measure.compiled.is_cached", lambda _: False)
    assert engines.choice_of("auto")() is engine
    assert not engines._compilers


@pytest.mark.parametrize("program", ["raise SystemExit(1)", "pass"])
def test_a_compiler_that_ends_without_result_is_not_waited_for(monkeypatch, program):
    from celltune_nb.measure import engines
    from celltune_nb.measure.compiled import engine
    from celltune_nb.measure.plain import engine as plain

    ended = subprocess.Popen([sys.executable, "-c", program])
    monkeypatch.setattr(engines, "_ready", set())
    monkeypatch.setattr(engines, "_compilers", {False: ended})
    monkeypatch.setattr(engines, "is_ready", lambda **_: False)
    assert engines.choice_of("auto")() in (engine, plain)
    ended.wait()
    assert engines.choice_of("auto")() is engine
