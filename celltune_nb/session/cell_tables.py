"""A table of cells on its way into a project: which of its columns, or parts, say what.

A table is a DataFrame, a CSV or Parquet file, an AnnData or its ``.h5ad`` file, or the table of a SpatialData.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, InputError
from ..formats.annotated import Annotated, dense, from_anndata, is_anndata
from ..formats.delimited import MISSING
from .checks import a_path, texts
from .tables import cell_column, checked_frame, image_column, image_names, plain, read_table, whole_numbers

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cells", "annotated", "read_cells"]

#: Endings of columns that hold what a model said: no features, unless they are named.
SAID = ("__Probability", "__Calibrated")
#: What the coordinates of an AnnData are called among its columns.
X, Y = "obsm['spatial'] x", "obsm['spatial'] y"


@dataclass(frozen=True, eq=False)
class Cells:
    """A table of cells, read and checked.

    Attributes
    ----------
    frame : DataFrame, n rows
    images : Series of str, length n
        ``""`` where a row names no image.
    cells : ndarray of int64, shape (n,)
    positions : ndarray of float64, shape (n, 2), or None
        y, x in pixels.
    where : str
        The columns of the positions, as errors call them.
    features : list of str
    values : ndarray of float32, shape (n, f), or None
    groups : ndarray of str or None, shape (n,), or None
    own : list
        Columns that become the user's own.
    numbered : bool
        Whether the rows were numbered here: cells are found by their place then.
    notes : tuple of str
        Sentences that a person should read.
    """

    frame: pd.DataFrame
    images: pd.Series
    cells: NDArray[np.int64]
    positions: NDArray[np.float64] | None
    where: str
    features: list[str]
    values: NDArray[np.float32] | None
    groups: NDArray[np.object_] | None
    own: list[Any]
    numbered: bool = False
    notes: tuple[str, ...] = ()


@contextmanager
def annotated(table: Any) -> Iterator[Annotated | None]:
    """The AnnData that a table is, or that a path names; None for another kind of table.

    Raises
    ------
    FormatError
        When the file cannot be used.
    """
    if is_anndata(table):
        yield from_anndata(table)
    elif isinstance(table, str | Path) and str(table).lower().endswith(".h5ad"):
        from ..formats.h5ad import open_h5ad

        path = a_path(table).expanduser()
        if not path.is_file():
            raise FormatError(f"There is no file {path}. Check the path.")
        with open_h5ad(path) as found:
            yield found
    else:
        yield None


def read_cells(
    table: Any, image: str, cell: str | None, x: str | None, y: str | None, features: Any, group: str | None,
    *, layers: Any = "X", only_image: str | None = None,
) -> Cells:  # fmt: skip
    """Read and check a table of cells.

    Parameters
    ----------
    only_image : str, optional
        The image of a table that names none.

    Raises
    ------
    InputError, FormatError
    """
    chosen = _names(features)
    try:
        hash((image, cell, x, y, group, *(chosen or ())))
    except TypeError as error:
        raise InputError("Columns are given by their names. Name them as they stand in the table.") from error
    with annotated(table) as found:
        if found is None:
            wanted = [*(c for c in (x, y, group) if c is not None), *(chosen or ())]
            frame = read_table(table, wanted, texts=[image])
            notes = list[str]()
            values = _columns(frame, chosen or [], notes)
            return _cells(frame, image, cell, x, y, group, chosen or [], values, only_image, notes)
        frame = checked_frame(found.obs.rename(columns=str), "The table")
        if cell == "obs_names":
            frame = frame.assign(obs_names=found.obs_names())
        notes = transform_notes(found.uns)
        if found.spatial is not None and x is None and y is None:
            x, y = X, Y
            frame = frame.assign(**{X: found.spatial[:, 0], Y: found.spatial[:, 1]})
        names, values = _matrix(found, frame, chosen, texts(layers, "The layers"), notes)
        missing = [c for c in (x, y, group) if c is not None and c not in frame.columns]
        if missing:
            raise InputError(
                f"The table has no column {missing[0]!r}. Its columns: {', '.join(frame.columns[:20])}. Name the right one."
            )
        return _cells(frame, image, cell, x, y, group, names, values, only_image, notes)


def _names(features: Any) -> list[Any] | None:
    if features is None or isinstance(features, str):
        return None if features is None else [features]
    try:
        return list(features)
    except TypeError as error:
        raise InputError("Columns are given by their names. Name them as they stand in the table.") from error


def _cells(
    frame: pd.DataFrame, image: str, cell: str | None, x: str | None, y: str | None, group: str | None, names: list[Any],
    values: NDArray[np.float32] | None, only_image: str | None, notes: list[str],
) -> Cells:  # fmt: skip
    import pandas as pd

    of_image = image_column(frame, image)
    if of_image is None and (only_image is None or image != "image"):
        raise InputError(
            f"The table has no column {image!r}. Its columns: {', '.join(map(str, list(frame.columns)[:20]))}. "
            "Name the right one in the call."
        )
    if of_image is None:
        images = pd.Series([only_image] * len(frame), dtype=object)
        notes.append(f"The table names no image; its rows were taken for cells of {only_image!r}.")
    else:
        images = image_names(frame[of_image])
    positions = groups = None
    if x is not None and y is not None:
        positions = (
            frame[[y, x]].apply(lambda c: pd.to_numeric(plain(c), errors="coerce")).to_numpy(np.float64)
        )
    of_cell = None if cell is None else cell_column(frame, cell)
    if cell is None and positions is None:
        raise InputError(
            "Without cell ids cells are found by their place. Name the columns of the positions with x= and y=."
        )
    if of_cell is None and cell is not None:
        raise InputError(
            f"The table has no column {cell!r}. Its columns: {', '.join(map(str, list(frame.columns)[:20]))}. "
            "Name the one with the cell ids (id=), or give id=None to find cells by their place (x=, y=)."
        )
    if of_cell is None:
        cells = (images.groupby(images.to_numpy()).cumcount().to_numpy() + 1).astype(np.int64)
    else:
        numbers = plain(frame[of_cell])
        if numbers.notna().any() and pd.to_numeric(numbers, errors="coerce").isna().all():
            raise InputError(
                f"Column {of_cell!r} holds names (the first: {numbers.iloc[0]!r}), not the numbers of cells. Choose another "
                "one, or none (id=None): cells are then found by their place (x and y)."
            )
        cells = whole_numbers(numbers, of_cell)
    repeated = pd.DataFrame({"image": pd.factorize(images)[0], "cell": cells}).duplicated().to_numpy()
    if repeated.any():
        twice = int(np.flatnonzero(repeated)[0])
        raise InputError(
            f"Image {images.iloc[twice]}, cell {cells[twice]} stands twice in the table. Keep one row a cell."
        )
    if group is not None:
        units = image_names(frame[group]).to_numpy(
            object
        )  # 3.0, where one is missing, is the donor "3" all the same
        groups = np.array([unit or None for unit in units.tolist()], object)
    taken = {of_image, of_cell, x, y, group, *names}
    own = [c for c in frame.columns if c not in taken and str(c) not in ("image", "cellID")]
    return Cells(
        frame, images, cells, positions, f"{y!r} and {x!r}", list(map(str, names)), values, groups, own, of_cell is None,
        tuple(notes),
    )  # fmt: skip


def _columns(frame: pd.DataFrame, chosen: Sequence[Any], notes: list[str]) -> NDArray[np.float32] | None:
    """Columns of a table as features; what is neither a number nor left out is counted."""
    import pandas as pd

    if not chosen:
        return None
    columns = [plain(frame[name]) for name in chosen]
    values = np.column_stack(
        [pd.to_numeric(c, errors="coerce").to_numpy(np.float32, na_value=np.nan) for c in columns]
    )
    count, first = 0, ""
    for column, numbers in zip(columns, values.T, strict=True):
        if not pd.api.types.is_numeric_dtype(column.dtype):
            word = (
                column.notna().to_numpy()
                & np.isnan(numbers)
                & ~column.astype(str).isin({"", *MISSING}).to_numpy()
            )
            if word.any() and not count:
                first = f"{column.iloc[int(np.flatnonzero(word)[0])]!r} in {column.name!r}"
            count += int(word.sum())
    if count:
        notes.append(
            f"{count:,} values of features are no numbers and count as missing (the first: {first})."
        )
    empty = [f for f, gone in zip(chosen, ~np.isfinite(values).any(axis=0), strict=True) if gone]
    if empty:
        raise InputError(f"Feature column {empty[0]!r} holds no numbers. Leave it out of features=.")
    return values


def _matrix(
    found: Annotated, frame: pd.DataFrame, chosen: list[Any] | None, layers: tuple[str, ...], notes: list[str]
) -> tuple[list[str], NDArray[np.float32] | None]:
    """The features of an AnnData: the variables of some layers, and columns of obs that were named."""
    layers = tuple(name for name in layers if name in found.matrices or name != "X")
    unknown = [name for name in layers if name not in found.matrices]
    if unknown:
        raise InputError(
            f"There is no layer {unknown[0]!r}. There are: {', '.join(found.matrices) or 'none'}. Name it in layers=."
        )
    variables = _distinct(found.variables, notes)
    called = {
        (v if len(layers) == 1 or layer == "X" else f"{v}__{layer}"): (layer, i)
        for layer in layers
        for i, v in enumerate(variables)
    }
    if chosen is None:
        wanted = [name for name, (_, i) in called.items() if not variables[i].endswith(SAID)]
        if len(wanted) < len(called):
            notes.append(
                f"Probabilities of models were left out (variables: {len(called) - len(wanted)}); name them in features= to have "
                "them."
            )
    else:
        wanted = list(map(str, chosen))
        unknown = [name for name in wanted if name not in called and name not in frame.columns]
        if unknown:
            raise InputError(
                f"There is neither a variable nor a column {unknown[0]!r}. Variables: {', '.join(variables[:20]) or 'none'}."
            )
    if not wanted:
        return [], None
    values = np.empty((len(found), len(wanted)), np.float32)
    for layer in layers:
        columns = [
            (i, called[name][1]) for i, name in enumerate(wanted) if called.get(name, ("",))[0] == layer
        ]
        if columns:
            values[:, [i for i, _ in columns]] = dense(found.matrices[layer], [k for _, k in columns], layer)
    others = [name for name in wanted if name not in called]
    if others:
        values[:, [wanted.index(name) for name in others]] = _columns(frame, others, notes)
    empty = np.asarray(~np.isfinite(values).any(axis=0))
    if empty.any():
        gone = [name for name, none in zip(wanted, empty, strict=True) if none]
        notes.append(
            f"Features without any number were left out: {', '.join(gone[:3])}{' …' if len(gone) > 3 else ''}."
        )
        wanted, values = [n for n in wanted if n not in gone], values[:, ~empty]
    return wanted, values if wanted else None


def _distinct(names: Sequence[str], notes: list[str]) -> list[str]:
    """The names, numbered where one stands twice."""
    taken, count = set(names), dict.fromkeys(names, 0)
    seen: set[str] = set()
    result = []
    for name in names:
        new = name
        while new in seen or (new != name and new in taken):
            count[name] += 1
            new = f"{name}-{count[name]}"
        seen.add(new)
        result.append(new)
    changed = sum(a != b for a, b in zip(names, result, strict=True))
    if changed:
        notes.append(f"Variables with a name that another has too were numbered ({changed}).")
    return result


def transform_notes(settings: Mapping[str, Any], path: str = "", depth: int = 0) -> list[str]:
    """What is to be known of the arcsinh settings among what was kept with a table."""
    found: list[str] = []
    for key, value in settings.items():
        here = f"{path}{key}"
        if isinstance(value, Mapping):
            found += transform_notes(value, f"{here}/", depth + 1) if depth < 4 else []
            continue
        word = str(key).lower()
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if "factor" not in word or not np.isfinite(number) or number <= 0:
            continue
        if "cofactor" in word:
            found.append(f"{here} is {number:g}: a cofactor, which divides before arcsinh.")
        else:
            found.append(
                f"{here} is {number:g}: CellTune's factor multiplies before arcsinh, arcsinh(x × {number:g}); as a cofactor, which "
                f"divides, it is {1 / number:g}."
            )
    return found[:5]
