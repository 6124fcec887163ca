"""From channels and colours to a JPEG in memory, on one thread, beside NumPy, scikit-image and Pillow's PNG.

*Channels*: six uint16 channels to RGB.  *Cells*: fill, outline and opacity of some thousand cells over it.
*Encoding*: the frame to bytes.  *Whole frame*: the three in turn.  *Recolour*: what a click on a category
costs, where the channels are kept and only the cells change.

Two pictures: synthetic tissue with the noise of a camera, packed with cells, and a field of a real lymph
node (reflected at its rim to the size asked for), which is smoother and so takes fewer bytes.  A goal is
judged by CPU seconds: one thread, and the wall clock of a busy machine says more about the others on it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from celltune_nb.render import Channel, auto_contrast, color_table, jpeg, overlay, warm_up
from celltune_nb.render.compose import blend, parse_color

from .harness import OURS, Figure, Job, take

COLORS = ("#4169ff", "#ff3030", "#30ff30", "#ffff40", "#ff40ff", "#40ffff")
CATEGORIES = ("#e6c229", "#8d99ae", "#2a9d8f", "#3a86ff", "#d62828", "#f77f00", "#9b5de5", "#06d6a0")
OPACITY = 0.4
THEIRS = "NumPy + skimage + PNG"


def tissue(side: int):
    """Six channels and a mask of synthetic tissue."""
    from celltune_nb.datasets.tissue import generate

    field = next(iter(generate(max(60, side * side // 200), fields=1, donors=1, seed=3)))
    return field.image[:6], field.mask


def lymph_node(side: int):  # noqa: ARG001 - the file has the size it has
    """Six channels and the mask of a CODEX field."""
    import tifffile

    from .labelled_sets import DATA

    folder = DATA / "codex_lymphnode"
    return tifffile.imread(folder / "image.ome.tif")[:6].astype(np.uint16), tifffile.imread(
        folder / "mask.tif"
    )


def scene(source, side: int):
    """Channels (6, side, side) uint16, a mask uint32, and a category for each cell (0: background)."""
    image, mask = source(side)
    image, mask = image[:, :side, :side], mask[:side, :side]
    reach = [(0, side - n) for n in mask.shape]
    mask = np.ascontiguousarray(np.pad(mask, reach, mode="symmetric").astype(np.uint32))
    image = np.ascontiguousarray(np.pad(image, [(0, 0), *reach], mode="symmetric"))
    codes = np.random.default_rng(0).integers(1, len(CATEGORIES) + 1, int(mask.max()) + 1)
    codes[0] = 0
    return image, mask, codes


def numpy_blend(planes, channels) -> np.ndarray:
    """Channels added in their colours, with arrays of the whole picture."""
    total = np.zeros((*planes.shape[1:], 3), np.float32)
    for plane, channel in zip(planes, channels, strict=True):
        value = np.clip((plane.astype(np.float32) - channel.low) / (channel.high - channel.low), 0, 1)
        total += value[..., None] * np.array(parse_color(channel.color), np.float32)
    return np.clip(total + 0.5, 0, 255).astype(np.uint8)


def skimage_overlay(rgb, mask, codes) -> np.ndarray:
    """Fill by ``label2rgb``, outlines by ``find_boundaries``."""
    from skimage.segmentation import find_boundaries
    from skimage.util import img_as_ubyte

    colors = [np.array(parse_color(c)) / 255 for c in CATEGORIES]
    from skimage.color import label2rgb

    of_pixel = codes[mask]
    out = img_as_ubyte(label2rgb(of_pixel, rgb, colors=colors, alpha=OPACITY, bg_label=0, saturation=1))
    edge = find_boundaries(mask, mode="inner")
    out[edge] = (255 * np.array([(0, 0, 0), *colors]))[of_pixel[edge]].astype(np.uint8)
    return out


def numpy_overlay(rgb, mask, codes) -> np.ndarray:
    """The same by indexing arrays of the whole picture."""
    table = np.array([(0, 0, 0), *(parse_color(c) for c in CATEGORIES)], np.float32)
    of_pixel = codes[mask]
    weight = np.where(of_pixel > 0, np.float32(OPACITY), np.float32(0))
    edge = np.zeros(mask.shape, bool)
    for axis in (0, 1):
        differs = np.diff(mask.astype(np.int64), axis=axis) != 0
        first, second = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
        edge[first] |= differs
        edge[second] |= differs
    weight[edge & (of_pixel > 0)] = 1
    return (rgb * (1 - weight[..., None]) + table[of_pixel] * weight[..., None] + 0.5).astype(np.uint8)


def pillow(rgb, kind: str, **options) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(rgb).save(out, kind, **options)
    return out.getvalue()


def run(size: str) -> Iterator[Figure]:
    """All figures of a square frame, of both pictures."""
    side = int(size)
    warm_up()
    for name, source in (("tissue", tissue), ("lymph node", lymph_node)):
        try:
            found = scene(source, side)
        except FileNotFoundError as error:
            print(f"The {name} is left out: there is no {error.filename}.")
        else:
            yield from _figures(name, side, *found)


def _figures(name: str, side: int, image, mask, codes) -> Iterator[Figure]:
    channels = [Channel(i, COLORS[i], *auto_contrast(plane)) for i, plane in enumerate(image)]
    base = blend(image, channels)
    palette = [None, *CATEGORIES]

    def painted() -> np.ndarray:
        return overlay(base.copy(), mask, color_table(codes, palette), OPACITY, "both")

    def whole() -> bytes:
        return jpeg(overlay(blend(image, channels), mask, color_table(codes, palette), OPACITY, "both"))

    def their_whole() -> bytes:
        return pillow(skimage_overlay(numpy_blend(image, channels), mask, codes), "PNG")

    frame = painted()
    often, seldom = (60, 2) if side <= 1024 else (20, 1)
    yield _figure(f"channels: {name}", OURS, lambda: blend(image, channels), often)
    yield _figure(f"channels: {name}", "NumPy", lambda: numpy_blend(image, channels), 3)
    yield _figure(f"cells: {name}", OURS, painted, often, {"cells": float(len(np.unique(mask)) - 1)})
    yield _figure(f"cells: {name}", "NumPy", lambda: numpy_overlay(base, mask, codes), 3)
    their_cells = "label2rgb + find_boundaries"
    yield _figure(f"cells: {name}", their_cells, lambda: skimage_overlay(base, mask, codes), seldom)
    yield _figure(f"encoding: {name}", OURS, lambda: jpeg(frame), often, {"KiB": len(jpeg(frame)) / 1024})
    for who, kind, options in (
        ("Pillow PNG", "PNG", {}), ("Pillow PNG, level 1", "PNG", {"compress_level": 1}),
        ("Pillow WebP", "WEBP", {"quality": 85}),
    ):  # fmt: skip
        made = len(pillow(frame, kind, **options)) / 1024
        yield _figure(
            f"encoding: {name}", who, lambda k=kind, o=options: pillow(frame, k, **o), seldom, {"KiB": made}
        )
    for task, ours, theirs in (
        ("recolour", lambda: jpeg(painted()), lambda: pillow(skimage_overlay(base, mask, codes), "PNG")),
        ("whole frame", whole, their_whole),
    ):
        fast, slow = take(ours, often), take(theirs, seldom)
        ratio = slow.cpu / fast.cpu
        judged = side == 1024
        yield Figure(
            f"{task}: {name}", OURS, fast.seconds, fast.cpu, fast.peak, {"CPU ratio": ratio},
            "≤ 12 ms and ≥ 40×" if judged else "", fast.cpu <= 0.012 and ratio >= 40 if judged else None,
        )  # fmt: skip
        yield Figure(f"{task}: {name}", THEIRS, slow.seconds, slow.cpu, slow.peak)


def _figure(task: str, name: str, call, repeats: int, extra: dict[str, float] | None = None) -> Figure:
    taken = take(call, repeats)
    return Figure(task, name, taken.seconds, taken.cpu, taken.peak, extra or {})


JOBS = [
    Job(
        "pixels",
        "six channels and cells to a JPEG, beside NumPy, label2rgb and PNG, one thread",
        ("512", "1024", "2048"),
        run,
    )
]
