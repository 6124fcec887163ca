"""A small project for the panels: two images of a hundred cells of two kinds, measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import celltune_nb as ct
from celltune_nb.session.jobs import Jobs


def make(folder: Path) -> None:
    """Write the project; in each image the cells of even rows are bright in A, those of odd rows in B."""
    with ct.Session.create(folder, jobs=Jobs(inline=True)) as session:
        for number, name in enumerate(("left", "right")):
            rng = np.random.default_rng(number)
            mask = np.zeros((200, 200), np.uint16)
            image = rng.poisson(4, (2, 200, 200)).astype(np.uint16)
            for row in range(10):
                for column in range(10):
                    box = np.s_[20 * row + 4 : 20 * row + 16, 20 * column + 4 : 20 * column + 16]
                    mask[box] = 1 + 10 * row + column
                    image[row % 2][box] += rng.poisson(30, (12, 12)).astype(np.uint16)
            session.add_image(name, image, mask, channels=["A", "B"], group=name)
        session.measure(neighbours=False)


def cells(session: ct.Session, image: str, kind: str) -> np.ndarray:
    """Ids of the cells of an image that are bright in A or B."""
    items = session.items[session.items["image"] == image]
    return items.index[(items["y"] // 20 % 2 == (kind == "B")).to_numpy()].to_numpy()


def labelled(session: ct.Session, n: int = 10) -> ct.Session:
    """With categories A and B and *n* labels of each in each image."""
    for kind in "AB":
        session.categories.add(kind)
    for kind in "AB":
        for image in ("left", "right"):
            session.label(cells(session, image, kind)[:n], kind)
    return session
