"""``python -m benchmarks``: one command, one table.

python -m benchmarks                                  # every job at every size
python -m benchmarks features training --quick        # some jobs, their smallest size
python -m benchmarks --json now.json                  # the figures as JSON too
python -m benchmarks compare before.json now.json     # two runs side by side
python -m benchmarks list
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import platform
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .harness import OURS, Figure, Job

MARK = "\x1efigure "  # what a figure's line starts with, among whatever else a library prints


def found() -> dict[str, Job]:
    """All jobs by name."""
    modules = sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]))
    listed = [
        job
        for name in modules
        if not name.startswith("_")
        for job in getattr(importlib.import_module(f"{__package__}.{name}"), "JOBS", [])
    ]
    return {job.name: job for job in listed}


def run_one(job: str, size: str) -> list[dict[str, Any]]:
    """The figures of one job at one size, made in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks", "one", job, size], stdout=subprocess.PIPE, text=True, check=False
    )
    rows = [
        json.loads(line.removeprefix(MARK)) for line in process.stdout.split("\n") if line.startswith(MARK)
    ]
    if process.returncode:
        print(f"{job} {size} ended with status {process.returncode}; what it had measured is kept.")
    return [{"job": job, "size": size, **row} for row in rows]


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """The table: what is ours, the alternatives below it with how many times longer they take."""
    out = []
    ours: dict[str, float] = {}
    for row in rows:
        ratio = ""
        if row["name"] == OURS:
            ours[row["task"]] = row["seconds"]
        elif ours.get(row["task"]):
            ratio = f"{row['seconds'] / ours[row['task']]:.3g}×"
        extra = "  ".join(f"{name} {value:.4g}" for name, value in row["extra"].items())
        goal = f"  goal {row['goal']}: {'met' if row['met'] else 'MISSED'}" if row["goal"] else ""
        out.append(
            f"{row['job']:<12} {row['size']:<12} {row['task']:<34} {row['name']:<26} {duration(row['seconds']):>9} "
            f"{'' if row['cpu'] is None else duration(row['cpu']):>9} "
            f"{'' if row['peak'] is None else format(row['peak'], ',.0f'):>8} {ratio:>8}  {extra}{goal}".rstrip()
        )
    return out


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{1e3 * seconds:.3g} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.3g} µs"


HEAD = (
    f"{'job':<12} {'size':<12} {'task':<34} {'by':<26} {'wall':>9} {'CPU':>9} {'MiB':>8} {'ratio':>8}  more"
)


def measure(options: argparse.Namespace) -> int:
    jobs = found()
    unknown = [name for name in options.jobs if name not in jobs]
    if unknown:
        print(f"There is no job {unknown[0]!r}. Jobs: {', '.join(jobs)}.")
        return 2
    rows: list[dict[str, Any]] = []
    print(HEAD)
    for name in options.jobs or jobs:
        sizes = jobs[name].sizes
        for size in sizes[:1] if options.quick else options.sizes or sizes:
            if size not in sizes:
                continue
            made = run_one(name, size)
            rows += made
            print(*lines(made), sep="\n", flush=True)
    missed = [row for row in rows if row["met"] is False]
    print(f"{sum(row['met'] is not None for row in rows) - len(missed)} goals met, {len(missed)} missed.")
    if options.json:
        Path(options.json).write_text(json.dumps({"machine": machine(), "figures": rows}, indent=1))
    return 0


def machine() -> dict[str, Any]:
    """What the figures were made on: they mean little elsewhere."""
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def compare(before: Path, after: Path) -> int:
    """Print each figure of two runs with the change of what is ours, slower ones marked."""
    old, new = (
        {(r["job"], r["size"], r["task"], r["name"]): r for r in json.loads(path.read_text())["figures"]}
        for path in (before, after)
    )
    print(f"{'job':<12} {'size':<12} {'task':<34} {'by':<26} {'before':>9} {'now':>9} {'now/before':>10}")
    for key in [k for k in new if k in old]:
        a, b = old[key]["seconds"], new[key]["seconds"]
        change = b / a if a else float("nan")
        mark = "  slower" if change > 1.25 and key[3] == OURS else ""
        print(
            f"{key[0]:<12} {key[1]:<12} {key[2]:<34} {key[3]:<26} {duration(a):>9} {duration(b):>9} {change:>10.2f}{mark}"
        )
        for name, value in new[key]["extra"].items():
            if name in old[key]["extra"]:
                print(f"{'':<26}{name}: {old[key]['extra'][name]:.4g} → {value:.4g}")
    for text, keys in (
        ("only before", [k for k in old if k not in new]),
        ("only now", [k for k in new if k not in old]),
    ):
        for key in keys:
            print(f"{text}: {' '.join(key)}")
    return 0


def one(name: str, size: str) -> int:
    """Run one job in this process and print its figures for the caller."""
    for figure in found()[name].run(size):
        assert isinstance(figure, Figure)
        print(MARK + json.dumps(asdict(figure)), flush=True)
    return 0


def main(arguments: list[str]) -> int:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Run in the background of a shell: a server that a job starts would not hear Ctrl-C either.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if arguments[:1] == ["compare"] and len(arguments) == 3:
        return compare(Path(arguments[1]), Path(arguments[2]))
    if arguments[:1] == ["one"] and len(arguments) == 3:
        return one(arguments[1], arguments[2])
    if arguments[:1] == ["onoff"]:
        from . import onoff

        return onoff.main(arguments[1:])
    if arguments == ["list"]:
        for job in found().values():
            print(f"{job.name:<12} {job.about} ({', '.join(job.sizes)})")
        return 0
    parser = argparse.ArgumentParser(
        "benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jobs", nargs="*", help="all when none is named")
    parser.add_argument("--quick", action="store_true", help="the smallest size of each job")
    parser.add_argument("--sizes", nargs="+", help="only these sizes")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    return measure(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
