"""Images of codes hold the codes and their colours, in tiles that other programs read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from celltune_nb.formats.code_tiff import write_codes


@pytest.mark.parametrize(("colors", "dtype"), [(3, np.uint8), (256, np.uint8), (300, np.uint16)])
def test_codes_and_colours_are_read_by_other_programs(tmp_path: Path, colors: int, dtype: type) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, colors, (1100, 700)).astype(np.uint16)
    asked = []

    def rows(part: slice) -> np.ndarray:
        asked.append(part.stop - part.start)
        return codes[part]

    palette = [f"#{i % 256:02X}{i // 3 % 256:02X}80" for i in range(colors)]
    path = tmp_path / "codes.tif"
    write_codes(path, codes.shape, rows, palette, legend={"population": "µ"}, pixel_size=0.5)
    assert asked == [512, 512, 76]  # a strip at a time, each once
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert page.is_tiled
        assert page.dtype == dtype
        assert np.array_equal(page.asarray(), codes)
        assert json.loads(page.description) == {"population": "µ"}
        assert page.get_resolution("micrometer") == (2.0, 2.0)
    if colors <= 256:
        shown = np.asarray(Image.open(path).convert("RGB"))
        code = int(codes[7, 9])
        assert shown[7, 9].tolist() == [code, code // 3, 128]
