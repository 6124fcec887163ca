"""A checkpoint opens a project sooner and never changes what is in it: the journal alone decides."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest

from celltune_nb.data import checkpoint
from celltune_nb.data.journal import Journal
from celltune_nb.data.labels import LabelBook


def work(book: LabelBook, seed: int, turns: int = 60) -> None:
    """Labels, onsets, undo, redo, and edits of the categories."""
    rng = np.random.default_rng(seed)
    for turn in range(turns):
        level = "main" if turn % 5 else "other"
        categories = book.level(level).categories
        kind = rng.integers(8)
        if kind == 0:
            book.undo("eva")
        elif kind == 1:
            book.redo("eva")
        elif kind == 2:
            book.edit_categories(level, categories.add(f"made {seed} {turn}"), "added")
        elif kind == 3 and len(categories) > 2:
            first, last = categories[1], categories[-1]
            book.edit_categories(level, categories.remove(last.name), "merged", moved={last.code: first.code})
        else:
            ids = rng.choice(200, rng.integers(1, 40), replace=False) + 1
            known = [c.code for c in categories]
            one = int(rng.choice(known))
            codes = rng.choice(known, len(ids)).astype(np.int16) if kind == 4 else one
            t0 = rng.random(1 if kind == 5 else len(ids)) * 9 if kind in (5, 6) else None
            book.label(
                ids, codes, level=level, source="click", t0=t0, user=f"user {turn % 3}", round=turn // 9
            )


def begin(path: Path, seed: int = 0) -> LabelBook:
    book = LabelBook(Journal(path))
    book.journal.connection.execute("PRAGMA synchronous=OFF")
    for name in ("main", "other"):
        book.add_level(name, None if name == "main" else "main")
        book.edit_categories(name, book.level(name).categories.add("A").add("B"), "added")
    work(book, seed)
    return book


def keep(book: LabelBook, path: Path) -> None:
    with path.open("wb") as stream:
        checkpoint.write(stream, book.snapshot())


def state(book: LabelBook) -> list[object]:
    """All that can be asked of it."""
    seen: list[object] = [book.revision, book.last_level, book.undoable, book.redoable]
    for name, level in book.levels.items():
        table = book.to_pandas(name)
        seen += [name, level.parent, level.categories.to_json(), table.to_dict("list"), table.index.tolist()]
        seen += [np.trim_zeros(level.tally, "b").tolist(), book.sources(name, np.arange(1, 201)).tolist()]
        ids, units = np.arange(1, 201), np.arange(200, dtype=np.int32) // 60
        seen.append(level.counts_by("image", ids, units, 4).sum(axis=0)[:2].tolist())
    return [repr(part) for part in seen]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with a checkpoint of its 60th step or so, and as many steps after it."""
    folder = tmp_path_factory.mktemp("labels")
    book = begin(folder / "labels.sqlite")
    keep(book, folder / "kept")
    work(book, 1)
    book.journal.close()
    return folder


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    """A copy of the journal, the checkpoint beside it."""
    shutil.copy(made / "kept", tmp_path)
    return Path(shutil.copy(made / "labels.sqlite", tmp_path))


def opened(path: Path, kept: Path | None) -> tuple[list[object], int]:
    book = LabelBook(Journal(path), kept)
    seen = state(book)
    book.journal.close()
    return seen, book.kept


def test_an_older_checkpoint_is_a_start_and_the_rest_is_replayed(path: Path, tmp_path: Path) -> None:
    replayed, _ = opened(path, None)
    restored, kept = opened(path, tmp_path / "kept")
    assert kept > 30
    assert restored == replayed


def test_every_step_from_before_the_checkpoint_can_be_taken_back_and_done_again(
    path: Path, tmp_path: Path
) -> None:
    other = shutil.copy(path, tmp_path / "other.sqlite")
    books = [LabelBook(Journal(path), tmp_path / "kept"), LabelBook(Journal(Path(other)))]
    assert [book.kept > 0 for book in books] == [True, False]
    for book in books:
        book.journal.connection.execute("PRAGMA synchronous=OFF")
    for turn in ("undo", "redo"):
        for step in range(200):  # noqa: B007  how many there were is looked at below
            one, two = (getattr(book, turn)() for book in books)
            assert one == two
            if one is None:
                break
            for mine, theirs in zip(*(book.levels.values() for book in books), strict=True):
                for name in ("codes", "batches", "t0", "tally"):
                    assert np.array_equal(getattr(mine, name), getattr(theirs, name), equal_nan=name == "t0")
                assert mine.categories.to_json() == theirs.categories.to_json()
        assert step > 30
        assert state(books[0]) == state(books[1])
    assert books[0].redoable is None
    for book in books:
        book.journal.close()


@pytest.mark.parametrize("where", np.linspace(0, 1, 33).tolist())
def test_one_wrong_byte_and_it_is_left_aside(path: Path, tmp_path: Path, where: float) -> None:
    kept = tmp_path / "kept"
    content = bytearray(kept.read_bytes())
    content[round(where * (len(content) - 1))] ^= 0x10
    kept.write_bytes(content)
    replayed, _ = opened(path, None)
    assert opened(path, kept) == (replayed, 0)


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.3, 0.9, 0.999])
def test_a_checkpoint_cut_off_is_left_aside(path: Path, tmp_path: Path, share: float) -> None:
    kept = tmp_path / "kept"
    content = kept.read_bytes()
    kept.write_bytes(content[: int(share * len(content))])
    replayed, _ = opened(path, None)
    assert opened(path, kept) == (replayed, 0)


def test_the_checkpoint_of_another_project_is_left_aside(path: Path, tmp_path: Path) -> None:
    stranger = begin(tmp_path / "stranger.sqlite")  # the same verbs in the same order, at another time
    keep(stranger, tmp_path / "theirs")
    stranger.journal.close()
    replayed, _ = opened(path, None)
    assert opened(path, tmp_path / "theirs") == (replayed, 0)


def test_a_journal_that_was_put_back_from_a_copy_and_went_on_differently(path: Path, tmp_path: Path) -> None:
    book = LabelBook(Journal(path))
    book.journal.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = Path(shutil.copy(path, tmp_path / "copy.sqlite"))
    book.label(np.array([3]), 1, level="main", source="click")
    keep(book, tmp_path / "kept")
    book.journal.close()
    shorter, _ = opened(copy, None)
    assert opened(copy, tmp_path / "kept") == (shorter, 0)  # it knows a row that the copy never had
    again = LabelBook(Journal(copy))
    again.label(
        np.array([4]), 2, level="main", source="click"
    )  # as many rows as the checkpoint, the last another
    again.journal.close()
    replayed, _ = opened(copy, None)
    assert opened(copy, tmp_path / "kept") == (replayed, 0)


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE journal SET code = 2 WHERE seq = (SELECT min(seq) FROM journal WHERE verb = 'label' AND code = 1)",
        "UPDATE journal SET user = 'adam' WHERE seq = 9",
        "UPDATE journal SET time = time + 1e-6 WHERE seq = 9",
        "DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal WHERE verb = 'label' AND seq < 30)",
    ],
)
def test_rows_changed_behind_its_back_are_noticed(path: Path, tmp_path: Path, tamper: str) -> None:
    journal = Journal(path)
    assert journal.connection.execute(tamper).rowcount == 1
    journal.close()
    replayed, _ = opened(path, None)
    assert opened(path, tmp_path / "kept") == (replayed, 0)


def test_content_that_is_whole_but_makes_no_sense_is_left_aside(path: Path, tmp_path: Path) -> None:
    about, arrays = checkpoint.read(tmp_path / "kept")
    replayed, _ = opened(path, None)
    for changed in ({"fold": -1}, {"levels": [["main"]]}, {"history": {}}, {"revision": "x"}, {"rows": None}):
        stream = io.BytesIO()
        checkpoint.write(stream, ({**about, **changed}, arrays))
        (tmp_path / "odd").write_bytes(stream.getvalue())
        assert opened(path, tmp_path / "odd") == (replayed, 0)
    stream = io.BytesIO()
    checkpoint.write(stream, (about, {k: v for k, v in arrays.items() if k != "level0.codes"}))
    (tmp_path / "odd").write_bytes(stream.getvalue())
    assert opened(path, tmp_path / "odd") == (replayed, 0)


def test_without_a_file_the_journal_is_replayed(path: Path, tmp_path: Path) -> None:
    assert opened(path, tmp_path / "nothing") == (opened(path, None)[0], 0)
