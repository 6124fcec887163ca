import gc
import os
import subprocess
import sys

from celltune_nb.learn.clustering import one_thread
from celltune_nb.learn.machine import cpu_count, cuda_available, side_by_side, threads_for, uncollected


def load(monkeypatch, average):
    monkeypatch.setattr(os, "getloadavg", lambda: (average, average, average), raising=False)


def test_few_labels_use_one_thread_and_many_leave_a_core_for_the_page(monkeypatch):
    load(monkeypatch, 0.0)
    assert threads_for(200) == 1
    assert threads_for(4_999) == 1
    cores = cpu_count()
    assert 1 <= cores <= (os.cpu_count() or 1)
    assert threads_for(50_000) == threads_for() == (cores - 1 if cores > 2 else cores)
    assert threads_for(50_000, 3) == threads_for(10, 3) == 3
    assert threads_for(10, -1) == cores


def test_the_number_of_threads_does_not_follow_the_load(monkeypatch):
    quiet = threads_for(50_000)
    load(monkeypatch, 10.0 * (os.cpu_count() or 1))
    assert threads_for(50_000) == quiet
    assert threads_for(50_000, 2) == 2


def test_threads_go_to_models_first_and_into_them_only_on_many_labels():
    cores = threads_for()
    assert side_by_side(2, 200) == [1] * min(2, cores)
    assert side_by_side(2, 200, 1) == side_by_side(1, 200) == [1]
    assert side_by_side(2, 50_000, 5) == [3, 2]
    assert side_by_side(1, 200, 4) == [4]
    assert sum(side_by_side(2, 50_000)) == cores


def test_the_gpu_question_loads_no_framework():
    code = (
        "import sys; from celltune_nb.learn.machine import cuda_available, warm_up; print(cuda_available());"
        "assert not {'torch', 'xgboost', 'catboost'} & set(sys.modules); warm_up(('xgboost', 'nosuchlibrary'));"
        "assert 'xgboost' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(cuda_available())


def test_importing_the_floor_loads_no_library():
    code = (
        "import sys, celltune_nb.learn.training, celltune_nb.learn.evaluation, celltune_nb.learn.sampling;"
        "print({'pandas', 'torch', 'xgboost', 'catboost', 'lightgbm', 'sklearn', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_nobody_waits_for_searches_through_all_objects_while_libraries_are_imported():
    # In a process of its own: the tests' may keep objects out of the collector's sight.
    code = """
import gc
from celltune_nb.learn.machine import uncollected
searched = []
gc.collect()
gc.callbacks.append(lambda phase, about: searched.append(about["generation"]) if phase == "start" else None)
with uncollected():
    made = [[i] for i in range(200_000)]
    during = searched.copy()
assert during == [], during
assert gc.isenabled() and gc.get_freeze_count() == 0
again = [[i] for i in range(20_000)]  # what was made is old by now: no reason for a search through everything
assert 0 in searched and 2 not in searched, searched
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_who_has_turned_the_collector_off_finds_it_off():
    gc.disable()
    try:
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_small_matrices_are_multiplied_on_one_thread_and_others_as_before():
    from threadpoolctl import threadpool_info

    def threads():
        return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"]

    before = threads()
    with one_thread():
        assert set(threads()) <= {1}
        with one_thread():
            assert set(threads()) <= {1}
    assert threads() == before
