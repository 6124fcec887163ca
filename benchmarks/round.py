"""A round of the loop in a real session: train again on 2,000 labels, predict every cell, show the picture.

150 features of a synthetic tissue with 9 cell types; the field on the screen has 4,000 cells.  The clock runs from the
call to the JPEG of the recoloured picture, with everything written to disk.  The alternative is what a script would do with the
libraries' scikit-learn classes at their defaults, on the same rows, with the same picture at the end and
nothing saved: one thread to fit, which is faster than several on so few labels, all of them to predict; CatBoost's
thousand rounds are extrapolated from 20.  The second task is when the cells on the screen have their new colours.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from celltune_nb.learn.machine import warm_up

from .harness import OURS, Figure, Job, take

if TYPE_CHECKING:
    import celltune_nb as ct
    from celltune_nb.session.events import PopulationsChanged

LABELS = 2_000
GOALS = {100_000: 2.5}
STOCK_ROUNDS = 20
RADIUS = 7  # pixels of a cell in the field with a mask


def project(folder: Path, cells: int) -> tuple[ct.Session, np.ndarray]:
    """A project with features of every cell and a picture of the first field; the cells' true types."""
    import celltune_nb as ct
    from celltune_nb.datasets.tissue import table

    made = table(cells, donors=5, seed=2)
    session = ct.Session.create(folder)
    first = made.image == 0
    mask = discs(made.y[first], made.x[first])
    light = np.random.default_rng(0).gamma(1.2, 400, (3, *mask.shape)).astype(np.uint16)
    session.add_image(made.images[0], light, mask, channels=["DNA", "CD3", "CD20"])
    session.import_cells(
        made.to_pandas(), image="image", id="cellID", x="x", y="y", group="donor", features=made.names
    )
    for name in made.categories:
        session.categories.add(name)
    return session, session.items["cell_type"].to_numpy(object)


def discs(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A mask with a disc a cell, numbered from 1."""
    side = int(max(y.max(), x.max())) + RADIUS + 2
    mask = np.zeros((side, side), np.uint16)
    dy, dx = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1].reshape(2, -1)
    inside = dy**2 + dx**2 <= RADIUS**2
    for number, (cy, cx) in enumerate(zip(y.round().astype(int), x.round().astype(int), strict=True), 1):
        py, px = cy + dy[inside], cx + dx[inside]
        kept = (py >= 0) & (px >= 0)
        mask[py[kept], px[kept]] = number
    return mask


def picture(session: ct.Session) -> Any:
    """A function that draws the screen as it is now, as JPEG."""
    from celltune_nb.panels.image.scene import Scene
    from celltune_nb.render.camera import Camera
    from celltune_nb.render.encode import jpeg

    image = session.images[session.view.image or ""]
    scene, camera = Scene(session), Camera.fit(image.shape, 800, 800)

    def draw() -> bytes:
        scene.recolor()
        return jpeg(scene.render(camera))

    return draw


def run(size: str) -> Iterator[Figure]:
    cells = int(size.replace(",", ""))
    with tempfile.TemporaryDirectory() as place:
        session, truth = project(Path(place) / "project", cells)
        with session:
            yield from rounds(session, truth, cells)


def rounds(session: ct.Session, truth: np.ndarray, cells: int) -> Iterator[Figure]:
    warm_up()
    ids = session.table.ids
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(ids), LABELS, replace=False)
    for name in np.unique(truth):
        session.label(ids[chosen[truth[chosen] == name]], str(name))
    draw = picture(session)
    session.train(wait=True)  # what later rounds are compared with
    session.set_view(color_by="Pred_AVG")
    draw()
    begun = 0.0
    pictures: list[float] = []
    first: list[float] = []

    def seen(event: PopulationsChanged) -> None:
        if event.names:
            draw()
            first.append(time.perf_counter() - begun)

    session.preview_changed.connect(seen)

    def one_round() -> None:
        nonlocal begun
        corrected = rng.choice(len(ids), 20, replace=False)
        for name in np.unique(truth[corrected]):
            session.label(ids[corrected[truth[corrected] == name]], str(name), source="correction")
        begun = time.perf_counter()
        session.train(wait=True)
        at = time.perf_counter()
        draw()
        pictures.append(time.perf_counter() - at)

    taken = take(one_round, 3)
    goal = {"goal": f"≤ {GOALS[cells]:g} s", "met": taken.seconds <= GOALS[cells]} if cells in GOALS else {}
    right = float((session.populations["Pred_AVG"].to_pandas().to_numpy() == truth).mean())
    yield Figure(
        "a round", OURS, taken.seconds, taken.cpu, taken.peak,
        {"accuracy": right, "fits and predicts": session.run.seconds, "picture ms": 1000 * min(pictures)}, **goal,
    )  # fmt: skip

    X = session.features.rows(np.arange(len(ids)))
    codes = np.unique(truth, return_inverse=True)[1]
    fit: list[tuple[float, float]] = []  # CatBoost's: seconds, CPU seconds

    def script() -> None:
        import catboost
        import xgboost

        p = (
            xgboost.XGBClassifier(n_jobs=1)
            .fit(X[chosen], codes[chosen])
            .set_params(n_jobs=None)
            .predict_proba(X)
        )
        model = catboost.CatBoostClassifier(
            iterations=STOCK_ROUNDS, allow_writing_files=False, logging_level="Silent", thread_count=1
        )
        begin, at = time.perf_counter(), time.process_time()
        model.fit(X[chosen], codes[chosen])
        fit.append((time.perf_counter() - begin, time.process_time() - at))
        p = p + model.predict_proba(X, thread_count=-1)
        p.argmax(axis=1)
        draw()

    stock = take(script, 1)
    more = 1_000 / STOCK_ROUNDS - 1
    seconds, cpu = stock.seconds + more * fit[0][0], stock.cpu + more * fit[0][1]
    yield Figure("a round", f"defaults (from {STOCK_ROUNDS} rounds)", seconds, cpu, stock.peak)
    yield Figure("the screen has its new colours", OURS, min(first))
    yield Figure("the screen has its new colours", f"defaults (from {STOCK_ROUNDS} rounds)", seconds)


JOBS = [
    Job(
        "round",
        "training again, predicting every cell and showing the picture against a script with the libraries' defaults",
        ("10,000", "100,000", "1,000,000"),
        run,
    )
]
