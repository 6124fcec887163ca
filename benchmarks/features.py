"""Measuring cells against ``skimage.measure.regionprops_table``, side by side in one run.

    python benchmarks/features.py [--channels 8] [--sizes 512 1024 2048] [--jobs 2]

Prints, for each size, the time of both and their ratio, for statistics + shape and with five
percentiles (median included) on top; then what rings and neighbours add, the memory at the
peak, and the time of the first call in a fresh installation and in a fresh process.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from skimage.measure import regionprops_table

from celltune_nb.measure import cell_index, measure_cells, warm_up

SHAPES = (
    "area",
    "perimeter",
    "axis_major_length",
    "axis_minor_length",
    "eccentricity",
    "solidity",
    "orientation",
)
STATISTICS = (
    "label",
    "centroid",
    "bbox",
    "intensity_mean",
    "intensity_min",
    "intensity_max",
    "intensity_std",
)


def tissue(size: int, channels: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cells of about 16 px across in a jittered grid, and uint16 channels."""
    rng = np.random.default_rng(seed)
    pitch = 17
    n = size // pitch
    y, x = (
        (np.mgrid[:n, :n].reshape(2, -1) * pitch + pitch / 2 + rng.uniform(-3, 3, (2, n * n)))
        .round()
        .astype(int)
    )
    reach = np.arange(-11, 12)
    dy, dx = np.meshgrid(reach, reach, indexing="ij")
    mask = np.zeros((size, size), np.int32)
    for label, (cy, cx) in enumerate(zip(y, x, strict=True), start=1):
        a, b, turn = rng.uniform(6.5, 9.5), rng.uniform(6, 8.5), rng.uniform(0, np.pi)
        u, v = dy * np.cos(turn) + dx * np.sin(turn), dx * np.cos(turn) - dy * np.sin(turn)
        inside = (u / a) ** 2 + (v / b) ** 2 <= 1
        py, px = cy + dy[inside], cx + dx[inside]
        kept = (py >= 0) & (py < size) & (px >= 0) & (px < size)
        mask[py[kept], px[kept]] = label
    image = np.empty((channels, size, size), np.uint16)
    for c in range(channels):
        image[c] = rng.gamma(1.2, 400, (size, size))
    return image, mask


def best(run: Callable[[], object], repeats: int) -> float:
    """Seconds of the fastest of a few runs."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def percentiles(region: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.percentile(values[region], (5, 25, 50, 75, 95), axis=0)


def resident() -> int:
    """Bytes of memory that this process holds now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak(run: Callable[[], object]) -> int:
    """Bytes by which the memory of the process rises while something runs, sampled every millisecond."""
    before, highest, done = resident(), 0, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.001):
            highest = max(highest, resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    run()
    done.set()
    watcher.join()
    return max(0, highest - before)


def first_call() -> tuple[float, float]:
    """Seconds of the first warm-up of an installation, and of one in a new process after it."""
    code = "import time; t = time.perf_counter(); import celltune_nb.measure as m; m.warm_up(); print(time.perf_counter() - t)"
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        return tuple(
            float(
                subprocess.run(
                    [sys.executable, "-c", code], env=environment, check=True, capture_output=True
                ).stdout
            )
            for _ in range(2)
        )


def compare(image: np.ndarray, mask: np.ndarray, jobs: int, *, alone: bool) -> None:
    """Time both on one image and print it."""
    names = [f"c{c}" for c in range(len(image))]
    plain = {"rings": False, "neighbours": False, "n_jobs": jobs}
    last = np.moveaxis(image, 0, -1)
    ours = {
        "index": best(lambda: cell_index(mask), 3),
        "statistics": best(
            lambda: measure_cells(image, mask, names, percentiles=(), morphology=False, **plain), 3
        ),
        "+ shape": best(lambda: measure_cells(image, mask, names, percentiles=(), **plain), 3),
        "+ percentiles": best(lambda: measure_cells(image, mask, names, **plain), 3),
        "everything": best(lambda: measure_cells(image, mask, names, n_jobs=jobs), 3),
    }
    rise = peak(lambda: measure_cells(image, mask, names, n_jobs=jobs))
    result = measure_cells(image, mask, names, n_jobs=jobs).matrix.nbytes
    print(
        f"{mask.shape[0]:>5} px² {mask.max():>6} cells  "
        + "  ".join(f"{name} {seconds:.3f}" for name, seconds in ours.items())
        + f"  memory +{rise / 2**20:.0f} MiB (of which the table {result / 2**20:.0f}; image {image.nbytes / 2**20:.0f})"
    )
    if alone:
        return
    theirs = {
        "+ shape": best(lambda: regionprops_table(mask, last, properties=(*SHAPES, *STATISTICS)), 1),
        "+ percentiles": best(
            lambda: regionprops_table(
                mask, last, properties=(*SHAPES, *STATISTICS), extra_properties=(percentiles,)
            ),
            1,
        ),
    }
    for name, seconds in theirs.items():
        print(f"      scikit-image {name} {seconds:.2f}: {seconds / ours[name]:.0f} times ours")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--alone", action="store_true", help="leave scikit-image out (large sizes)")
    options = parser.parse_args()
    warm_up()
    print(f"{options.channels} uint16 channels, {options.jobs} threads; seconds, best of 3 (scikit-image: 1)")
    for size in options.sizes:
        compare(*tissue(size, options.channels), options.jobs, alone=options.alone)
    cold, warm = first_call()
    print(f"first call of an installation {cold:.1f} s, of a new process {warm:.2f} s (imports included)")


if __name__ == "__main__":
    main()
