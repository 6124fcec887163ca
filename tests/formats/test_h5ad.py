"""AnnData's files are read as anndata wrote them; nothing in one leads out of it or takes the memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from celltune_nb.errors import CellTuneError, FormatError, InputError
from celltune_nb.formats.annotated import dense
from celltune_nb.formats.h5ad import open_h5ad
from celltune_nb.formats.h5ad_writer import write_h5ad

N, F = 30, 4
VALUES = np.random.default_rng(0).poisson(1.0, (N, F)).astype(np.float32)


def obs() -> pd.DataFrame:
    return pd.DataFrame(
        {"image": pd.Categorical(["a", "b"] * 15), "cellID": np.arange(N), "score": np.where(np.arange(N) % 3, 0.5, np.nan),
         "kind": pd.Categorical.from_codes(np.arange(N) % 3 - 1, ["T/B", "é ü"]), "flag": np.arange(N) % 2 == 0,
         "whole": pd.array([None if i % 5 == 0 else i for i in range(N)], dtype="Int64"), "my/note": "x"},
        index=[f"c{i % 20}" for i in range(N)],
    )  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_h5ad(
        tmp_path / "t.h5ad", obs(), pd.DataFrame({"unit": "µm"}, index=["CD3", "CD4", "CD8", "µ/x"]), [VALUES[:7], VALUES[7:]],
        obsm={"spatial": np.column_stack([np.arange(N), np.zeros(N)])},
        uns={"arcsinh": {"factor": 0.1, "name": "x"}, "kind_colors": ["#FF0000", "#00FF00"]},
    )  # fmt: skip
    return tmp_path / "t.h5ad"


def check(path: Path) -> None:
    with open_h5ad(path) as found:
        assert dense(found.matrices["X"], range(F), "X").tolist() == VALUES.tolist()
        assert dense(found.matrices["X"], [2, 0], "X").tolist() == VALUES[:, [2, 0]].tolist()
        assert found.variables == ["CD3", "CD4", "CD8", "µ/x"]
        assert found.spatial is not None
        assert found.spatial[3].tolist() == [3, 0]
        assert found.obs_names()[:2] == ["c0", "c1"]
        table = found.obs
        assert table["image"].tolist() == ["a", "b"] * 15
        assert pd.isna(table["kind"][0])
        assert table["kind"].tolist()[1:3] == ["T/B", "é ü"]
        assert table["flag"].tolist()[:2] == [True, False]
        assert np.isnan(table["whole"][0])
        assert table["whole"][1] == 1
        assert table["score"].isna().sum() == 10


def test_what_was_written_is_read(path: Path) -> None:
    check(path)
    with open_h5ad(path) as found:
        assert found.uns["arcsinh"]["factor"] == 0.1
        assert found.uns["kind_colors"].tolist() == ["#FF0000", "#00FF00"]
        assert found.obs["my_note"].tolist() == ["x"] * N


@pytest.mark.parametrize("kind", ["csr", "csc"])
def test_sparse_matrices_are_read(path: Path, kind: str) -> None:
    matrix = getattr(sparse, f"{kind}_matrix")(VALUES)
    with h5py.File(path, "r+") as file:
        del file["X"]
        group = file.create_group("X")
        group.attrs.update(
            {"encoding-type": f"{kind}_matrix", "encoding-version": "0.1.0", "shape": VALUES.shape}
        )
        for part in ("data", "indices", "indptr"):
            group[part] = getattr(matrix, part)
    check(path)
    with h5py.File(path, "r+") as file:
        file["X/indices"][0] = 10_000_000  # would be read from somewhere else in memory
    with pytest.raises(FormatError, match="cannot be read"):
        check(path)


def test_categories_of_older_files_are_read(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        table = file["obs"]
        codes, words = table["kind/codes"][()], table["kind/categories"][()]
        del table["kind"]
        table["kind"] = codes
        table.create_dataset("__categories/kind", data=words, dtype=h5py.string_dtype())
    check(path)


@pytest.mark.filterwarnings("ignore:.*names are not unique", "ignore:::anndata", "ignore:.*AnnData")
def test_a_file_that_anndata_wrote_is_read_and_it_reads_ours(path: Path, tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata", reason="anndata is not installed")
    found = anndata.read_h5ad(path)
    assert found.obs["kind"].cat.categories.tolist() == ["T/B", "é ü"]
    assert found.var["unit"].tolist() == ["µm"] * 4
    assert found.obsm["spatial"].shape == (N, 2)
    found.X = sparse.csr_matrix(found.X)
    found.obs["whole"] = obs()["whole"].array
    found.write_h5ad(tmp_path / "theirs.h5ad")
    check(tmp_path / "theirs.h5ad")


def external_link(file: Any, elsewhere: Path) -> None:
    del file["X"]
    file["X"] = h5py.ExternalLink(str(elsewhere), "X")


def soft_link(file: Any, elsewhere: Path) -> None:
    del file["obsm/spatial"]
    file["obsm/spatial"] = h5py.SoftLink("/X")


def linked_group(file: Any, elsewhere: Path) -> None:
    del file["obs"]
    file["obs"] = h5py.ExternalLink(str(elsewhere), "obs")


def external_storage(file: Any, elsewhere: Path) -> None:
    del file["X"]
    file.create_dataset("X", (N, F), "float32", external=[(str(elsewhere), 0, N * F * 4)])


def virtual(file: Any, elsewhere: Path) -> None:
    layout = h5py.VirtualLayout((N, F), "float32")
    layout[:] = h5py.VirtualSource(str(elsewhere), "X", (N, F))
    del file["X"]
    file.create_virtual_dataset("X", layout)


def enormous(file: Any, elsewhere: Path) -> None:
    del file["X"]
    file.create_dataset("X", (10**9, 10**6), "float32", chunks=(1000, 1000), compression="gzip")


def enormous_and_consistent(file: Any, elsewhere: Path) -> None:
    for name in ("X", "obs", "obsm/spatial"):
        del file[name]
    file.create_dataset("X", (10**12, F), "float32", chunks=(1000, F), compression="gzip")
    file.create_dataset("obs/_index", (10**12,), h5py.string_dtype(), chunks=(1000,))
    file["obs"].attrs.update({"_index": "_index", "column-order": np.array([], h5py.string_dtype())})


def enormous_column(file: Any, elsewhere: Path) -> None:
    del file["obs/score"]
    file.create_dataset("obs/score", (10**13,), "float64", chunks=(1000,))


def enormous_chunk(file: Any, elsewhere: Path) -> None:
    del file["X"]
    file.create_dataset("X", (N, F), "float64", chunks=(1 << 15, 1 << 15), maxshape=(None, None))


def void(file: Any, elsewhere: Path) -> None:
    del file["X"]
    file["X"] = np.array([[b"cos\nsystem\n(S'true'\ntR."] * F] * N, "V30")


def strange_codes(file: Any, elsewhere: Path) -> None:
    file["obs/kind/codes"][0] = 100


def wrong_shape(file: Any, elsewhere: Path) -> None:
    del file["X"]
    file["X"] = VALUES[:, :2]


def very_old(file: Any, elsewhere: Path) -> None:
    del file["obs"]
    file["obs"] = np.array([(b"c", 1.0)] * N, [("index", "S1"), ("score", "f8")])


def no_obs(file: Any, elsewhere: Path) -> None:
    del file["obs"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (external_link, "is a link"), (soft_link, "is a link"), (linked_group, "is a link"),
        (external_storage, "lies in another file"), (virtual, "lies in another file"), (enormous, "has shape"),
        (enormous_and_consistent, "of memory"), (enormous_column, "is no list of"), (enormous_chunk, "stored in parts of"),
        (void, "neither numbers nor words"), (strange_codes, "categories that it does not have"), (wrong_shape, "has shape"),
        (very_old, "very old anndata"), (no_obs, "has no 'obs'"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_what_leads_astray_is_refused_with_a_sentence(
    path: Path, tmp_path: Path, spoil: Callable[[Any, Path], None], says: str
) -> None:
    elsewhere = tmp_path / "elsewhere.h5ad"
    elsewhere.write_bytes(path.read_bytes())
    with h5py.File(path, "r+") as file:
        spoil(file, elsewhere)
    with pytest.raises(CellTuneError, match=says):
        check(path)


def test_words_that_are_longer_than_the_file_are_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["obs/kind"]
        data = file.create_dataset("obs/kind", (N,), h5py.string_dtype())
        data[0] = "a" * 3_000_000
        # the same word of the file for every row
        words = data.id.get_offset()
    raw = bytearray(path.read_bytes())
    raw[words : words + 16 * N] = raw[words : words + 16] * N
    path.write_bytes(raw)
    with pytest.raises(CellTuneError, match="longer than the file"):
        check(path)


def test_words_are_counted_over_all_lists_and_once_for_each(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        names = [f"column {i}" for i in range(120)]
        data = file.create_dataset("obs/column 0", (N,), h5py.string_dtype())
        data[0] = "a" * 300_000
        for name in names[1:]:
            file[f"obs/{name}"] = data
        file["obs"].attrs["column-order"] = np.array(names, h5py.string_dtype())
    with pytest.raises(FormatError, match="longer than the file"), open_h5ad(path):
        pass
    with h5py.File(path, "r+") as file:
        file["obs"].attrs["column-order"] = np.array(names[:3], h5py.string_dtype())
    with open_h5ad(path) as found:
        for _ in range(100):
            assert len(found.obs_names()) == N


def test_what_cannot_be_used_of_uns_is_left_out(path: Path, tmp_path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.create_dataset(
            "uns/table", data=np.array([["a", "b"], ["c", "d"]], object), dtype=h5py.string_dtype()
        )
        file["uns/compound"] = np.array([(b"c", 1.0)], [("index", "S1"), ("score", "f8")])
        file["uns/empty"] = h5py.Empty("f8")
        file["uns/nowhere"] = h5py.SoftLink("/not there")
        file["uns/numbers"] = np.eye(2)
        damaged = file.create_dataset("uns/damaged", (9,), "f8", chunks=(9,), compression="gzip")
        damaged.id.write_direct_chunk((0,), b"no gzip")
    check(path)
    with open_h5ad(path) as found:
        assert found.uns["numbers"].tolist() == [[1, 0], [0, 1]]
        assert not {"table", "compound", "empty", "nowhere", "damaged"} & set(found.uns)
    with h5py.File(path, "r+") as file:
        del file["uns"]
        file["uns"] = h5py.ExternalLink(str(tmp_path / "elsewhere"), "uns")
    check(path)
    with open_h5ad(path) as found:
        assert found.uns == {}


def test_a_mistake_of_who_reads_is_no_damage_of_the_file(path: Path) -> None:
    with pytest.raises(InputError, match="no such column") as caught, open_h5ad(path):
        raise InputError("There is no such column. Name another.")
    assert not isinstance(caught.value, FormatError)
    with pytest.raises(FormatError, match=r"cannot be read as \.h5ad"), open_h5ad(path):
        raise ValueError("of a library")


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"x" * 5000])
def test_files_of_another_kind_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.h5ad"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="cannot be read"):
        check(path)


def test_truncated_files_are_refused(path: Path) -> None:
    whole = path.read_bytes()
    for part in (0.9, 0.5, 0.1):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(FormatError, match="cannot be read"):
            check(path)
