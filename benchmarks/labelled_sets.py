"""Labelled cells to measure strategies on: the synthetic tissue, and real sets as tables of features.

The real sets are read from the folder that ``CELLTUNE_NB_DATA`` names, by default ``../shared/data``
beside the repository; :func:`load` says in a sentence which is absent.
"""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from celltune_nb.session.labelled import Cells

DATA = Path(os.environ.get("CELLTUNE_NB_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))

LINEAGE = ("PAX5", "CD3", "CD11b", "CD11c", "CD15", "CD68", "CD90", "Podoplanin", "CD31", "CD34", "CD56")
"""The markers whose strongest names the type of a lymph node cell."""


class AbsentError(Exception):
    """A set whose files are not there."""


def load(name: str) -> Cells:
    """One of :data:`SETS`."""
    try:
        return SETS[name]()
    except FileNotFoundError as error:
        raise AbsentError(f"{name} is left out: there is no {error.filename}.") from error


def tissue(cells: int = 20_000) -> Cells:
    from celltune_nb.datasets import tissue as synthetic

    made = synthetic.table(cells, donors=6, seed=1)
    return Cells(
        made.matrix, tuple(made.names), np.array(made.categories, object)[made.cell_type],
        np.array(made.images, object)[made.image], np.array(made.donors, object)[made.donor], made.y, made.x,
    )  # fmt: skip


def brain_folder() -> Path:
    """Where the synthetic brain is made, once."""
    import tempfile

    import celltune_nb

    return Path(tempfile.gettempdir()) / f"celltune-nb-brain-{celltune_nb.__version__}"


def brain(marker: str) -> Cells:
    """The synthetic brain, as the example measures it."""
    import celltune_nb as ct

    with ct.datasets.load("brain", project=brain_folder()) as session:
        return Cells.of(session, session.items[f"truth_{marker}"])


def codex(truth: str = "cell_type", without: tuple[str, ...] = ()) -> Cells:
    import pandas as pd

    folder = DATA / "codex_lymphnode"
    features = pd.read_parquet(folder / "features.parquet").set_index("label")
    cells = pd.read_csv(folder / "cells.csv").set_index("label").loc[features.index]
    place = features[["y", "x"]]
    features = features.drop(columns=["y", "x"])
    features = features[[c for c in features.columns if c.split("_", 1)[-1] not in without]]
    answer = cells[truth]
    if truth.startswith("on_"):
        answer = answer.map({0: "OFF", 1: "ON"})
    return _cells(features, answer, np.full(len(features), "core"), None, place)


def both(one: str, other: str) -> Cells:
    """Two markers of the lymph node as one: ON where both are."""
    first, second = codex(f"on_{one}"), codex(f"on_{other}")
    return replace(
        first,
        truth=np.where((first.truth == "ON") & (second.truth == "ON"), "ON", "OFF").astype(object),
    )


def spleen() -> Cells:
    import pandas as pd

    cells = pd.read_csv(DATA / "imc_spleen_regions" / "cells.csv")
    features = cells.drop(columns=["roi", "label", "y", "x", "region"])
    return _cells(features, cells["region"], cells["roi"], None, cells[["y", "x"]])


def vectra() -> Cells:
    import pandas as pd

    table = pd.read_parquet(DATA / "phenoptr_vectra_lung" / "cells_features.parquet")
    place = table[["y", "x"]]
    no_features = (
        "label", "x", "y", "x_um", "y_um", "Confidence", "phenotype", "Category Region ID", "Slide ID", "TMA Sector",
        "TMA Row", "TMA Column", "TMA Field", "Sample Name", "Tissue Category",
    )  # fmt: skip
    features = table.drop(columns=list(no_features)).apply(pd.to_numeric, errors="coerce")
    return _cells(
        features.dropna(axis=1, how="all"), table["phenotype"], np.full(len(table), "field"), None, place
    )


def chula() -> Cells:
    import pandas as pd

    table = pd.read_parquet(DATA / "chula_rbc12" / "features.parquet")
    table = table[~table["class"].isin(["Elliptocyte", "uncategorised"])]
    features = table.drop(columns=["label", "class", "image", "y", "x"])
    return _cells(features, table["class"], table["image"], None, table[["y", "x"]])


def scimap() -> Cells:
    import pandas as pd

    table = pd.read_csv(DATA / "celltables" / "scimap_example_cycif.csv.gz")
    features = table.drop(columns=["cell", "X_position", "Y_position", "ImageId", "phenotype"])
    place = table[["Y_position", "X_position"]]
    return _cells(features, table["phenotype"], np.full(len(table), "field"), None, place)


def mitosis() -> Cells:
    import pandas as pd

    cells = pd.read_csv(DATA / "exhuman_mitosis" / "cells.csv")
    features = cells[["area", "mean_DNA", "std_DNA", "max_DNA", "mean_actin"]]
    return _cells(features, cells["mitotic"], np.full(len(cells), "field"), None, cells[["y", "x"]])


def yeast() -> Cells:
    with np.load(DATA / "yeast_msn2_signals" / "msn2_stress_type.npz") as stored:
        signals, answer = stored["signals"].astype(np.float32), stored["label"]
    steps = np.diff(signals, axis=1)
    plain = np.column_stack(
        [signals, signals.mean(1), signals.std(1), signals.max(1), signals.argmax(1), steps.max(1)]
    )
    names = [f"frame {i}" for i in range(signals.shape[1])] + [
        "mean",
        "std",
        "max",
        "when highest",
        "steepest",
    ]
    return Cells(
        plain.astype(np.float32), tuple(names), answer.astype(object), np.full(len(plain), "signals", object)
    )


def mdck() -> Cells:
    import pandas as pd

    folder = DATA / "mdck_tracks_division"
    tracks = pd.read_csv(folder / "tracks.csv").sort_values(["ID", "t"])
    events = pd.read_csv(folder / "track_events.csv").set_index("ID")
    rows = {}
    for track, one in tracks.groupby("ID"):
        y, x, state = (one[c].to_numpy(float) for c in ("y", "x", "state"))
        step = np.hypot(np.diff(y), np.diff(x)) if len(one) > 1 else np.zeros(1)
        rows[track] = {
            "length": len(one), "distance": np.hypot(y[-1] - y[0], x[-1] - x[0]), "mean step": step.mean(),
            "largest step": step.max(), "last step": step[-1], "last state": state[-1],
            **{f"share of state {s}": np.mean(state == s) for s in range(5)},
            **{f"state {s} in the last 6": np.mean(state[-6:] == s) for s in range(5)},
        }  # fmt: skip
    features = pd.DataFrame.from_dict(rows, orient="index")
    about = events.loc[features.index]
    answer = about["divides"].map({0: "no division", 1: "division"})
    return _cells(features, answer, np.full(len(features), "movie"), about["root"].astype(str), None)


def piximi() -> Cells:
    import pandas as pd
    from PIL import Image

    project = json.loads((DATA / "piximi" / "BBBC013_project.json").read_text())["project"]
    names = {c["id"]: c["name"] for c in project["categories"]}
    rows, answer = [], []
    for crop in project["serializedImages"]:
        name = names[crop["imageCategoryId"]]
        if name == "Unknown":
            continue
        png = base64.b64decode(crop["imageData"][0][0].split(",", 1)[1])
        rows.append(_plain(np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.float32)))
        answer.append(name)
    features = pd.DataFrame(rows)
    return _cells(features, pd.Series(answer), np.full(len(features), "crops"), None, None)


def _plain(pixels: np.ndarray) -> dict[str, float]:
    """Brightness of each colour, how it spreads, and how much of it lies in the middle of the crop."""
    height, width, _ = pixels.shape
    found: dict[str, float] = {"height": height, "width": width}
    middle = pixels[height // 4 : -(-3 * height // 4), width // 4 : -(-3 * width // 4)]
    for i, colour in enumerate(("red", "green", "blue")):
        values = pixels[..., i]
        found |= {
            f"{colour} mean": values.mean(), f"{colour} std": values.std(), f"{colour} max": values.max(),
            f"{colour} P90": np.percentile(values, 90),
            f"{colour} in the middle": middle[..., i].mean() / (values.mean() + 1),
        }  # fmt: skip
    dna = pixels[..., 2] > np.percentile(pixels[..., 2], 70)
    found["green over the nucleus"] = pixels[..., 1][dna].mean() / (pixels[..., 1][~dna].mean() + 1)
    return found


def _cells(features, answer, image, group, place) -> Cells:
    X = np.ascontiguousarray(features.to_numpy(np.float32))
    y, x = (None, None) if place is None else place.to_numpy(np.float64).T
    return Cells(
        X, tuple(map(str, features.columns)), np.asarray(answer, object), np.asarray(image).astype(str).astype(object),
        None if group is None else np.asarray(group, object), y, x,
    )  # fmt: skip


SETS: dict[str, Callable[[], Cells]] = {
    "mitosis": mitosis,
    "piximi": piximi,
    "mdck": mdck,
    "yeast": yeast,
    "CD4": lambda: codex("on_CD4"),
    "ki-67": lambda: codex("on_ki-67"),
    "CD8": lambda: codex("on_CD8"),
    "CD45RA": lambda: codex("on_CD45RA"),
    "CD45RO": lambda: codex("on_CD45RO"),
    "codex": codex,
    "codex_hard": lambda: codex(without=LINEAGE),
    "scimap": scimap,
    "vectra": vectra,
    "chula": chula,
    "spleen": spleen,
    "tissue": tissue,
}
"""Cheapest first."""

ON_OFF: dict[str, Callable[[], Cells]] = {
    "mitosis": mitosis,
    "brain PV": lambda: brain("PV"),
    "brain cFos": lambda: brain("cFos"),
    "CD4 and CD8": lambda: both("CD4", "CD8"),
    **{name: SETS[name] for name in ("CD4", "ki-67", "CD8", "CD45RA", "CD45RO")},
}
"""Sets of two categories; the rare ones are ``brain PV`` (1.0 % ON) and ``CD4 and CD8`` (1.1 %)."""
