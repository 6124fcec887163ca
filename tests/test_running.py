"""What ``python -m tests`` hands over to pytest."""

from pathlib import Path

import pytest

from tests import __main__ as command
from tests.overlay import NO_TESTS


@pytest.mark.parametrize(
    ("arguments", "wish", "rest"),
    [
        ([], "", []),
        (["-m", "not browser", "-x"], "not browser", ["-x"]),
        (["-q", "-mslow"], "slow", ["-q"]),
        (["-m=slow", "-m", "browser"], "browser", []),
        (["--maxfail=2"], "", ["--maxfail=2"]),
    ],
)
def test_the_marks_that_are_asked_for_are_found(arguments, wish, rest):
    assert command.marked(arguments) == (wish, rest)


def test_every_test_runs_in_one_of_two_parts(monkeypatch):
    monkeypatch.setattr(command, "_cores", lambda: 2)
    side, alone = command.split(["-m", "not browser", "-q"])
    assert side[:4] == ["-n", "2", "--dist", "worksteal"]
    assert side[-3:] == ["-m", "(not browser) and not alone and not browser", "-q"]
    assert alone[-3:] == ["-m", "(not browser) and (alone or browser)", "-q"]
    assert "-n" not in alone
    assert "--ignore=tests/browser" in side
    assert "--ignore=tests/browser" not in alone
    assert "tests/apps/test_server.py" in alone
    assert "tests/data/test_items.py" not in alone
    assert set(alone) > {
        str(p.relative_to(command.ROOT)) for p in command.ROOT.glob("tests/browser/test_*.py")
    }


@pytest.mark.parametrize(("cores", "arguments"), [(1, []), (8, ["--pdb"])])
def test_one_core_or_a_debugger_means_one_process(monkeypatch, cores, arguments):
    monkeypatch.setattr(command, "_cores", lambda: cores)
    (whole,) = command.split(["-m", "slow", *arguments])
    assert "-n" not in whole
    assert whole[-2 - len(arguments) :] == ["-m", "slow", *arguments]


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([0, 0], 0),
        ([1, 0], 1),
        ([0, 1], 1),
        ([0, NO_TESTS], 0),
        ([NO_TESTS, NO_TESTS], NO_TESTS),
        ([0, 2], 2),
    ],
)
def test_a_failure_in_any_part_is_the_exit_code(codes, code):
    assert command.summed(codes) == code


def test_temporary_folders_lie_in_memory_only_where_there_is_plenty(monkeypatch):
    with command.in_memory(False) as options:
        assert options == []
    monkeypatch.setattr(command, "ROOM", 1 << 60)
    with command.in_memory(True) as options:
        assert options == []
    monkeypatch.setattr(command, "ROOM", 0)
    with command.in_memory(True) as options:
        if not options:
            pytest.skip("no folder lies in memory here")
        folder = Path(options[1]).parent
        assert folder.is_dir()
    assert not folder.exists()
