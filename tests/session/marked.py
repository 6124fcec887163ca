"""Slices of several animals with ON and OFF cells whose truth is known, and answers from that truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from celltune_nb.session import Session
from celltune_nb.session.jobs import Jobs


def make_slices(folder: Path, weakest: float, brightest: float) -> Path:
    """Five slices of four animals, 100 cells each, a fifth of them ON; the last slice is stained unlike the others."""
    rng = np.random.default_rng(0)
    truth = []
    with Session.create(folder, jobs=Jobs(inline=True), level="cFos") as session:
        for number in range(5):
            mask, image = np.zeros((200, 200), np.uint16), rng.poisson(20, (2, 200, 200)).astype(np.float64)
            for i in range(100):
                y, x = 20 * (i // 10) + 3, 20 * (i % 10) + 3
                mask[y : y + 14, x : x + 14] = i + 1
                on = rng.random() < 0.2
                image[0, y : y + 14, x : x + 14] += 60
                image[1, y : y + 14, x : x + 14] += (
                    rng.uniform(weakest, 40) if on else rng.uniform(0, brightest)
                )
                truth.append("ON" if on else "OFF")
            if number == 4:
                image = 3 * image + 50
            session.add_image(f"slice {number + 1}", image.astype(np.uint16), mask, channels=["DAPI", "cFos"],
                              group=f"animal {(1, 1, 2, 3, 4)[number]}")  # fmt: skip
        items = session.items
        session.import_cells(
            pd.DataFrame({"image": items["image"], "cellID": items["cellID"], "truth": truth})
        )
        session.measure(rings=False, neighbours=False)
        session.categories.add("ON")
        session.categories.add("OFF")
    return folder


def answer(session: Session, ids: np.ndarray, source: str = "click") -> None:
    truth = session.items["truth"]
    for name in ("ON", "OFF"):
        chosen = [i for i in ids if truth[i] == name]
        if chosen:
            session.label(chosen, name, source=source)


def label_truth(session: Session, images: list[str], each: int = 12) -> None:
    items = session.items
    for image in images:
        for name in ("ON", "OFF"):
            ids = items.index[(items["image"] == image) & (items["truth"] == name)]
            answer(session, np.asarray(ids[:each]))
