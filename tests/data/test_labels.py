"""The label journal against a plain model: dictionaries and a list of their copies."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from celltune_nb.data import checkpoint
from celltune_nb.data.journal import Journal, ProposalRecord
from celltune_nb.data.labels import LabelBook
from celltune_nb.errors import FormatError, LabelError, ProjectVersionError


@pytest.fixture
def book(tmp_path: Path) -> LabelBook:
    book = LabelBook(Journal(tmp_path / "labels.sqlite"))
    book.add_level("main")
    book.edit_categories("main", book.level("main").categories.add("A").add("B").add("C"), "categories added")
    yield book
    book.journal.close()


def _codes(book: LabelBook, n: int = 12) -> list[int]:
    return book.level("main").codes_of(np.arange(n)).tolist()


def test_one_undo_takes_back_the_batch_another_the_exceptions(book: LabelBook) -> None:
    book.label(np.arange(1, 6), 1, level="main", source="rectangle")
    book.label(np.array([3, 2]), 2, level="main", source="click")
    assert _codes(book, 7) == [0, 1, 2, 2, 1, 1, 0]
    assert book.undo() == "2 items labelled B"
    assert _codes(book, 7) == [0, 1, 1, 1, 1, 1, 0]
    book.undo()
    assert _codes(book, 7) == [0] * 7
    book.redo()
    book.redo()
    assert _codes(book, 7) == [0, 1, 2, 2, 1, 1, 0]
    assert book.redo() is None


def test_undo_and_redo_survive_a_restart(book: LabelBook) -> None:
    book.label(np.arange(1, 6), 1, level="main", source="rectangle")
    book.label(np.array([3]), 2, level="main", source="click")
    book.undo()
    again = LabelBook(Journal(book.journal.path))
    assert again.undoable == "5 items labelled A"
    assert again.redoable == "1 item labelled B"
    again.redo()
    assert _codes(again, 7) == [0, 1, 1, 2, 1, 1, 0]
    again.journal.close()


def test_a_merge_is_taken_apart_again(book: LabelBook) -> None:
    book.label(np.array([1, 2]), 1, level="main", source="click")
    book.label(np.array([3]), 2, level="main", source="click")
    categories = book.level("main").categories
    book.edit_categories("main", categories.remove("B"), "B merged into A", moved={2: 1})
    assert _codes(book, 4) == [0, 1, 1, 1]
    assert book.to_pandas("main").loc[3, "source"] == "click"  # who labelled it is not forgotten
    book.undo()
    assert _codes(book, 4) == [0, 1, 1, 2]
    assert "B" in book.level("main").categories


def test_the_table_says_who_when_and_why(book: LabelBook) -> None:
    batch = book.label(
        np.array([4, 2]), np.array([1, 2], np.int16), level="main", source="import", user="eva", round=3
    )
    table = book.to_pandas("main")
    assert table.index.tolist() == [2, 4]
    assert table["category"].tolist() == ["B", "A"]
    assert set(table["user"]) == {"eva"}
    assert set(table["batch"]) == {batch}
    assert str(table["time"].dtype).startswith("datetime64")
    assert table["time"].dt.tz is not None


def test_onsets_are_undone_with_their_label(book: LabelBook) -> None:
    book.label(np.array([1, 2]), 1, level="main", source="click", t0=np.array([10.5, 20.0]))
    book.label(np.array([1]), 1, level="main", source="click", t0=np.array([11.0]))
    assert book.to_pandas("main")["t0"].tolist() == [11.0, 20.0]
    book.undo()
    assert book.to_pandas("main")["t0"].tolist() == [10.5, 20.0]


def test_refused_labels_change_nothing(book: LabelBook) -> None:
    revision = book.revision
    with pytest.raises(LabelError, match="no category"):
        book.label(np.array([1]), 9, level="main", source="click")
    with pytest.raises(LabelError, match="not a source"):
        book.label(np.array([1]), 1, level="main", source="guess")
    with pytest.raises(LabelError, match="once"):
        book.label(np.array([1, 1]), 1, level="main", source="click")
    with pytest.raises(LabelError, match="no level"):
        book.label(np.array([1]), 1, level="other", source="click")
    assert book.revision == revision == LabelBook(Journal(book.journal.path)).revision


def test_proposals_keep_score_reason_and_probability(book: LabelBook) -> None:
    book.journal.propose(
        ProposalRecord("margin", "main", np.array([9, 4]), np.array([0.5, 0.25], np.float32), np.array([1.0, 0.5]),
                       ("unsure", "rare"), seed=7, image="a", rectangle=(0.0, 1.0, 2.0, 3.0))
    )  # fmt: skip
    (found,) = book.journal.proposals("margin", "main")
    assert found.ids.tolist() == [4, 9]
    assert found.reasons == ("rare", "unsure")
    assert found.probability.tolist() == [0.5, 1.0]
    assert (found.seed, found.rectangle) == (7, (0.0, 1.0, 2.0, 3.0))


def test_a_newer_journal_and_a_damaged_one_are_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "labels.sqlite"
    journal = Journal(path)
    journal.connection.execute("PRAGMA user_version=99")
    journal.close()
    with pytest.raises(ProjectVersionError, match="newer"):
        Journal(path)
    path.write_bytes(b"SQLite format 3\x00" + b"garbage" * 500)
    with pytest.raises(FormatError, match="not a readable label journal"):
        Journal(path)


def test_reading_items_beyond_the_labels_leaves_them_as_they_are(book: LabelBook) -> None:
    book.label(np.array([1, 3]), 2, level="main", source="click")
    level = book.level("main")
    codes, batches = level.codes, level.batches
    far = np.array([5_000, 3, 9_000])
    assert level.codes_of(far).tolist() == [0, 2, 0]
    assert level.batches_of(far).tolist() == [0, book.revision, 0]
    assert level.codes_in_order(np.arange(1, 2_000)).tolist() == [2, 0, 2] + [0] * 1_996
    assert book.sources("main", far).tolist() == ["", "click", ""]
    assert level.codes is codes  # another thread may be writing into this very array
    assert level.batches is batches


def _interrupted_after(book: LabelBook, steps: int) -> bool:
    """Label with an interrupt after so many lines of the program; whether there were as many."""
    left = steps

    def trace(frame: FrameType, event: str, arg: object) -> object:
        nonlocal left
        if not frame.f_code.co_filename.endswith(("journal.py", "labels.py", "level.py", "history.py")):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    former = sys.gettrace()
    sys.settrace(trace)
    try:
        book.label(np.array([steps, steps + 1]), 1 + steps % 3, level="main", source="click")
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(former)
    return False


def test_an_interrupt_at_any_line_leaves_what_the_journal_says(book: LabelBook) -> None:
    book.journal.connection.execute("PRAGMA synchronous=OFF")
    steps = 1
    while _interrupted_after(book, steps):
        again = LabelBook(book.journal)
        assert _codes(book, 400) == _codes(again, 400)
        assert book.undoable == again.undoable
        (one, arrays), (other, as_read) = book.snapshot(), again.snapshot()
        assert one == other  # with the digest of all rows
        for name, values in as_read.items():
            np.testing.assert_array_equal(arrays[name], values)
        steps += 1
    assert steps > 60


def test_words_of_numpy_are_the_words_that_are_read_back(book: LabelBook, tmp_path: Path) -> None:
    user, strategy = np.array(["eva", "margin"])
    book.label(np.array([4]), 1, level=np.str_("main"), source=np.str_("click"), strategy=strategy, user=user)
    with (tmp_path / "kept").open("wb") as stream:
        checkpoint.write(stream, book.snapshot())
    assert LabelBook(book.journal, tmp_path / "kept").kept == book.revision


class AgainstPlainModel(RuleBasedStateMachine):
    """Random verbs on the journal and on dictionaries; a reopened journal has to agree too."""

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "labels.sqlite"
        self.book = LabelBook(Journal(self.path))
        self.book.add_level("main")
        self.book.edit_categories(
            "main", self.book.level("main").categories.add("A").add("B").add("C"), "added"
        )
        self.labels: dict[int, str] = {}
        self.names = ["A", "B", "C"]
        self.past: list[tuple[dict[int, str], list[str]]] = []
        self.future: list[tuple[dict[int, str], list[str]]] = []

    def _remember(self) -> None:
        self.past.append((dict(self.labels), list(self.names)))
        self.future.clear()

    @rule(ids=st.sets(st.integers(1, 11), min_size=1), pick=st.integers(0, 3))
    def label(self, ids: set[int], pick: int) -> None:
        name = self.names[pick] if pick < len(self.names) else None
        code = self.book.level("main").categories[name].code if name else 0
        self._remember()
        self.book.label(np.array(list(ids), np.int64), code, level="main", source="click")
        for i in ids:
            if name:
                self.labels[i] = name
            else:
                self.labels.pop(i, None)

    @precondition(lambda self: len(self.names) > 2)
    @rule(merge=st.booleans())
    def remove(self, merge: bool) -> None:
        gone, into = self.names[-1], self.names[0]
        categories = self.book.level("main").categories
        self._remember()
        target = categories[into].code if merge else 0
        self.book.edit_categories(
            "main", categories.remove(gone), "edit", moved={categories[gone].code: target}
        )
        self.names = self.names[:-1]
        self.labels = {i: (into if n == gone else n) for i, n in self.labels.items() if merge or n != gone}

    @rule(new=st.sampled_from(["X", "Y", "Z"]))
    def rename(self, new: str) -> None:
        if new in self.names:
            return
        old = self.names[0]
        self._remember()
        self.book.edit_categories("main", self.book.level("main").categories.rename(old, new), "renamed")
        self.names[0] = new
        self.labels = {i: (new if n == old else n) for i, n in self.labels.items()}

    @rule()
    def undo(self) -> None:
        # The three categories were added as the first step, which the model does not go behind.
        if not self.past:
            return
        assert self.book.undo() is not None
        self.future.append((self.labels, self.names))
        self.labels, self.names = copy.deepcopy(self.past.pop())

    @rule()
    def redo(self) -> None:
        if not self.future:
            assert self.book.redo() is None
            return
        assert self.book.redo() is not None
        self.past.append((self.labels, self.names))
        self.labels, self.names = copy.deepcopy(self.future.pop())

    @rule()
    def keep(self) -> None:
        """A checkpoint of now; whenever the journal is opened again it may be old."""
        with self.path.with_suffix(".checkpoint").open("wb") as stream:
            checkpoint.write(stream, self.book.snapshot())

    @rule(replay=st.booleans())
    def reopen(self, replay: bool) -> None:
        said = self.book.undoable, self.book.redoable
        self.book.journal.close()
        kept = None if replay else self.path.with_suffix(".checkpoint")
        self.book = LabelBook(Journal(self.path), kept)
        assert (self.book.undoable, self.book.redoable) == said
        assert self.book.kept > 0 or replay or not kept.exists()

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "book"):
            return
        assert self.book.to_pandas("main")["category"].to_dict() == self.labels
        assert self.book.level("main").categories.names == ["Unknown", *self.names]
        counts = {c.name: int(self.book.level("main").tally[c.code]) for c in list(self.book.level("main").categories)[1:]
                  if c.code < len(self.book.level("main").tally)}  # fmt: skip
        for name, n in counts.items():
            assert n == sum(v == name for v in self.labels.values())

    def teardown(self) -> None:
        if hasattr(self, "book"):
            self.book.journal.close()
            self.folder.cleanup()


TestAgainstPlainModel = AgainstPlainModel.TestCase
TestAgainstPlainModel.settings = settings(max_examples=25, stateful_step_count=25)
