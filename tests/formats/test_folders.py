"""What a folder of images holds: layouts that people have, and folders that mean harm."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from celltune_nb.errors import FormatError, InputError
from celltune_nb.formats.folders import FolderPlan, recognise
from celltune_nb.formats.folders.naming import mask_name, split_fields

SHAPE = (30, 40)
PLANE = np.zeros(SHAPE, np.uint16)
MASK = np.zeros(SHAPE, np.uint16)
MASK[2:8, 3:9] = 7
MASK[12:18, 13:19] = 9


def write(path: Path, array: np.ndarray = PLANE, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, photometric="minisblack", **options)
    return path


def stack(
    folder: Path, names: str = "DAPI CD3 CD8", mask: str | None = "segmentation_labels.tif", prefix: str = ""
) -> None:
    for name in names.split():
        write(folder / f"{prefix}{name}.tif")
    if mask is not None:
        write(folder / mask, MASK)


def why(plan: FolderPlan, name: str) -> str:
    """Why a file is not used."""
    return next(one.why for one in plan.left_out if one.path.name == name)


# ---------------------------------------------------------------------- layouts


def test_a_folder_a_field_with_a_file_a_channel(tmp_path: Path) -> None:
    for donor in ("A", "B"):
        for number in (1, 2, 10):
            stack(tmp_path / f"donor {donor}" / f"FOV{number}_{donor}")
    plan = recognise(tmp_path)
    assert [i.name for i in plan] == ["FOV1_A", "FOV1_B", "FOV2_A", "FOV2_B", "FOV10_A", "FOV10_B"]
    image = plan["FOV2_A"]
    assert image.channels == ["CD3", "CD8", "DAPI"]
    assert [path.name for path in image.files] == ["CD3.tif", "CD8.tif", "DAPI.tif"]
    assert image.mask == tmp_path / "donor A" / "FOV2_A" / "segmentation_labels.tif"
    assert (image.shape, image.dtype, image.group, image.use) == (SHAPE, "uint16", "donor A", True)
    assert image.cells is None
    assert plan.count_cells() == 12
    assert image.cells == 2
    assert plan.left_out == []


def test_the_fields_name_before_the_channels_is_left_out(tmp_path: Path) -> None:
    stack(tmp_path / "FOV1", prefix="FOV1_", mask="FOV1_segmentation_labels.tif")
    stack(tmp_path / "FOV2", prefix="FOV2_", mask="FOV2_segmentation_labels.tif")
    plan = recognise(tmp_path)
    assert {i.name: (i.channels, i.mask is not None) for i in plan} == {
        "FOV1": (["CD3", "CD8", "DAPI"], True), "FOV2": (["CD3", "CD8", "DAPI"], True),
    }  # fmt: skip


def test_channels_in_a_folder_of_their_own_with_masks_elsewhere(tmp_path: Path) -> None:
    for field in ("fov0", "fov1"):
        stack(tmp_path / "image_data" / field / "TIFs", mask=None)
        write(tmp_path / "segmentation" / "deepcell_output" / f"{field}_whole_cell.tiff", MASK)
        write(tmp_path / "segmentation" / "deepcell_output" / f"{field}_nuclear.tiff", MASK)
    plan = recognise(tmp_path)
    assert [(i.name, i.mask.name, i.nucleus.name, i.group) for i in plan] == [
        ("fov0", "fov0_whole_cell.tiff", "fov0_nuclear.tiff", None),
        ("fov1", "fov1_whole_cell.tiff", "fov1_nuclear.tiff", None),
    ]


def test_fields_whose_channels_lie_in_one_folder(tmp_path: Path) -> None:
    for field in ("S1_R1", "S1_R2", "S2_R1"):
        stack(tmp_path, prefix=f"{field}_", mask=f"{field}_mask.tif")
    (tmp_path / "S2_R1_CD8.tif").unlink()
    plan = recognise(tmp_path)
    assert [(i.name, i.mask.name, i.use) for i in plan] == [
        ("S1_R1", "S1_R1_mask.tif", True), ("S1_R2", "S1_R2_mask.tif", True), ("S2_R1", "S2_R1_mask.tif", False),
    ]  # fmt: skip
    assert plan.problems(plan["S2_R1"]) == ["Another channel set: it lacks CD8."]


@pytest.mark.parametrize(
    "mask",
    ["{}_segmentation_labels.tif", "{}_mask.tif", "{}_cells.tif", "{}_label.tif", "{}_labels.tif", "{}_cp_masks.tif",
     "masks/{}.tif", "segmentation/{}_mask.tiff", "segmentation/{}/cell.ome.tif", "mask_{}.tif", "{}-CellMask.tif", "masks/{}.npy"],
)  # fmt: skip
def test_one_file_a_field_and_masks_by_name(tmp_path: Path, mask: str) -> None:
    for name in ("ROI 1", "ROI 2"):
        write(
            tmp_path / f"{name}.ome.tif",
            np.stack([PLANE] * 2),
            metadata={"axes": "CYX", "Channel": {"Name": ["A", "B"]}},
        )
        path = tmp_path / mask.format(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npy":
            np.save(path, MASK)
        else:
            write(path, MASK)
    plan = recognise(tmp_path)
    assert {i.name: i.mask for i in plan} == {
        name: tmp_path / mask.format(name) for name in ("ROI 1", "ROI 2")
    }
    assert plan["ROI 1"].channels == ["A", "B"]


def test_images_of_one_channel_and_numbered_fields_are_images_each(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write(tmp_path / f"img_{number}.tif")
    assert [(i.name, i.channels) for i in recognise(tmp_path)] == [
        ("img_1", ["Channel 1"]), ("img_2", ["Channel 1"]), ("img_3", ["Channel 1"]),
    ]  # fmt: skip
    for name in ("liver", "spleen"):
        write(tmp_path / "b" / f"{name}.tif")
        write(tmp_path / "b" / f"{name}_mask.tif", MASK)
    assert [i.name for i in recognise(tmp_path / "b")] == ["liver", "spleen"]


@pytest.mark.parametrize(("version", "inside"), [(2, False), (3, True)], ids=["0.4", "0.5"])
def test_ome_zarr_with_its_labels(tmp_path: Path, version: int, inside: bool) -> None:
    folder = tmp_path / "slide.ome.zarr"
    group = zarr.open_group(folder, mode="w", zarr_format=version)
    about = {
        "multiscales": [{
            "axes": [{"name": "c", "type": "channel"}, *({"name": n, "type": "space", "unit": "micrometer"} for n in "yx")],
            "datasets": [
                {"path": str(i), "coordinateTransformations": [{"type": "scale", "scale": [1, 0.5 * 2**i, 0.5 * 2**i]}]}
                for i in range(2)
            ],
        }],
        "omero": {"channels": [{"label": "DAPI"}, {"label": "CD3"}]},
    }  # fmt: skip
    group.attrs.update({"ome": {"version": "0.5", **about}} if inside else about)
    for i in range(2):
        array = group.create_array(str(i), shape=(2, 30 >> i, 40 >> i), chunks=(1, 16, 16), dtype="uint16")
        array[:] = 1
    labels = zarr.open_group(folder / "labels", mode="w", zarr_format=version)
    cells = labels.create_array("cells", shape=SHAPE, chunks=(16, 16), dtype="uint32")
    cells[:] = MASK
    plan = recognise(tmp_path)
    image = plan["slide"]
    assert (image.channels, image.shape, image.pixel_size) == (["DAPI", "CD3"], SHAPE, 0.5)
    assert image.mask == folder / "labels" / "cells"
    assert plan.count_cells() == 2
    assert [i.name for i in recognise(folder)] == ["slide"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("channels.csv", "DAPI\nCD3\nCD8\n"), ("channel_names.csv", "DAPI,CD3,CD8"), ("channelnames.txt", "DAPI\nCD3\nCD8"),
     ("markers.csv", "channel_number,cycle_number,marker_name\n1,1,DAPI\n2,1,CD3\n3,1,CD8\n")],
)  # fmt: skip
def test_a_table_names_channels_that_the_file_does_not(tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path / "a.tif", np.stack([PLANE] * 3))
    write(tmp_path / "b" / "b.tif", np.stack([PLANE] * 2))
    (tmp_path / name).write_text(text)
    plan = recognise(tmp_path)
    assert plan["a"].channels == ["DAPI", "CD3", "CD8"]
    assert plan["b"].channels == ["Channel 1", "Channel 2"]


def test_tables_of_groups_cells_and_labels(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"{name}.tif", np.stack([PLANE] * 2))
    (tmp_path / "groups.csv").write_text("Image;Donor\na.tif;D1\nb;D2\n")
    (tmp_path / "cells.csv").write_text("fov,label,area,x,y\na,7,36,5,6\n")
    (tmp_path / "labels.csv").write_text("image,cellID,class\na,7,T\n")
    (tmp_path / "nowhere.csv").write_text("cellID,area\n7,36\n")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    plan = recognise(tmp_path)
    assert [i.group for i in plan] == ["D1", "D2"]
    found = {t.path.name: (t.kind, t.head.image, t.head.cell, t.head.category, t.use) for t in plan.tables}
    assert found == {
        "cells.csv": ("cells", "fov", "label", None, False), "labels.csv": ("labels", "image", "cellID", "class", False),
    }  # fmt: skip
    assert "does not say of which image" in why(plan, "nowhere.csv")
    assert "without a column of cells" in why(plan, "other.csv")


def test_what_is_not_used_says_why(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", np.stack([PLANE] * 2))
    write(tmp_path / "b_mask.tif", MASK)
    write(tmp_path / "a_mask.tif", MASK[:10])
    write(tmp_path / "a_mask_regions.tif", MASK)
    write(tmp_path / "a_cell_mask.tif", MASK.astype(np.float32))
    (tmp_path / "photo.jpg").write_bytes(b"x")
    (tmp_path / "readme.md").write_text("x")
    (tmp_path / ".hidden.tif").write_bytes(b"x")
    (tmp_path / "empty.tif").write_bytes(b"")
    plan = recognise(tmp_path)
    assert plan["a"].mask is None
    assert "another size (10 × 40)" in " ".join(plan.problems(plan["a"]))
    assert "no image of that name" in why(plan, "b_mask.tif")
    assert "size is 10 × 40, that of image a 30 × 40" in why(plan, "a_mask.tif")
    assert "other things than cells" in why(plan, "a_mask_regions.tif")
    assert "not a mask: float32" in why(plan, "a_cell_mask.tif")
    assert "export as OME-TIFF" in why(plan, "photo.jpg")
    assert "empty (0 bytes)" in why(plan, "empty.tif")
    assert "1 other file (.md)" in [one.why for one in plan.left_out]
    assert "Not used: b_mask.tif: a mask, but there is no image of that name" in str(plan)


def test_images_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for donor in "AB":
        stack(tmp_path / donor / "FOV1")
    assert [i.name for i in recognise(tmp_path)] == ["A/FOV1", "B/FOV1"]


# ---------------------------------------------------------------------- changing a plan


def test_a_plan_is_changed_before_it_is_imported(tmp_path: Path) -> None:
    for i in (1, 2, 3):
        stack(tmp_path / f"f{i}", "d0_DNA CD3" if i < 3 else "DNA CD3")
    plan = recognise(tmp_path)
    assert [i.use for i in plan] == [True, True, False]
    assert plan.problems(plan["f3"]) == ["Another channel set: it lacks d0_DNA; also has DNA."]
    assert plan.rename_channel("d0_DNA", "DNA") == 2
    assert plan.problems(plan["f3"]) == []
    plan["f1"].use = False
    plan["f2"].pixel_size = 0.5
    frame = plan.to_pandas().set_index("image")
    assert frame.loc["f1", "use"] == False  # noqa: E712
    assert frame.loc["f2", "pixel_size"] == 0.5
    assert frame.loc["f2", "channels"] == "CD3, DNA"
    with pytest.raises(InputError, match="has a channel 'CD3' already"):
        plan.rename_channel("DNA", "CD3")
    with pytest.raises(InputError, match="No image has a channel"):
        plan.rename_channel("none", "x")
    with pytest.raises(InputError, match="no name for a channel"):
        plan.rename_channel("DNA", "a\nb")
    with pytest.raises(InputError, match="Images: f1, f2, f3"):
        plan["f4"]


def test_sizes_and_types_may_differ(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", np.zeros((2, 30, 40), np.uint8))
    write(tmp_path / "b.tif", np.zeros((2, 50, 60), np.float32))
    assert [(i.shape, i.dtype, i.use) for i in recognise(tmp_path)] == [
        ((30, 40), "uint8", True), ((50, 60), "float32", True),
    ]  # fmt: skip


def test_a_channel_of_another_size_is_named(tmp_path: Path) -> None:
    stack(tmp_path / "f1", "A B C")
    write(tmp_path / "f1" / "thumbnail.tif", PLANE[:5, :5])
    plan = recognise(tmp_path)
    assert plan["f1"].channels == ["A", "B", "C"]
    assert "its size is 5 × 5, that of the other channels 30 × 40" in why(plan, "thumbnail.tif")


# ---------------------------------------------------------------------- harm


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    write(tmp_path / "a" / "a.tif", np.stack([PLANE] * 2))
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "gone.tif").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.tif")
    plan = recognise(tmp_path)
    assert len(plan) == 1
    assert "looked at already" in why(plan, "up")
    assert "no file" in why(plan, "pipe.tif")


def test_names_that_are_hard_to_print(tmp_path: Path) -> None:
    strange = ("with space", "µ-slide ü", "line\nbreak", "<b>bold</b>", os.fsdecode(b"bytes \xff"))
    names = [name for name in strange if "/" not in name]
    for name in names:
        try:
            stack(tmp_path / name)
        except (OSError, UnicodeError):
            continue
    plan = recognise(tmp_path)
    str(plan).encode()
    plan.to_pandas().to_csv().encode()
    assert {"with space", "µ-slide ü", "line_break"} <= {i.name for i in plan}
    assert all(i.name.isprintable() and i.mask is not None for i in plan)
    assert "called 'line_break' here" in plan.problems(plan["line_break"])[0]


def test_sizes_that_cannot_be_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "good.tif", np.stack([PLANE] * 2))
    path = write(tmp_path / "huge.tif", PLANE, compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        for name in ("ImageWidth", "ImageLength"):
            tif.pages[0].tags[name].overwrite(10**6)
    stored = zarr.create_array(tmp_path / "huge.zarr", shape=(8, 8), chunks=(8, 8), dtype="uint16")
    stored[:] = 1
    about = json.loads((tmp_path / "huge.zarr" / "zarr.json").read_text())
    about["shape"] = [10**9, 10**9]
    (tmp_path / "huge.zarr" / "zarr.json").write_text(json.dumps(about))
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr" / "zarr.json").write_text("{" * 5000)
    (tmp_path / "cut.tif").write_bytes((tmp_path / "good.tif").read_bytes()[:700])
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    (tmp_path / "long.csv").write_bytes(b"x" * (2 << 20))
    (tmp_path / "cells.csv").write_bytes(b"\xff\xfe\x00")
    plan = recognise(tmp_path)
    assert [i.name for i in plan] == ["good"]
    for name in (
        "huge.tif",
        "huge.zarr",
        "broken.zarr",
        "cut.tif",
        "objects.npy",
        "bad.parquet",
        "long.csv",
        "cells.csv",
    ):
        assert why(plan, name)


def test_thousands_of_files_are_looked_at_in_seconds(tmp_path: Path) -> None:
    one = write(tmp_path / "one.tif")
    for field in range(50):
        folder = tmp_path / f"f{field}"
        folder.mkdir(exist_ok=True)
        for channel in range(40):
            (folder / f"M{channel}.tif").hardlink_to(one)
    one.unlink()
    heard, began = [], time.process_time()
    plan = recognise(tmp_path, lambda fraction, text: heard.append(fraction))
    assert len(plan) == 50
    assert {len(i.files) for i in plan} == {40}
    assert time.process_time() - began < 30
    assert heard == sorted(heard)
    assert len(heard) > 50


def test_no_such_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="is not there"):
        recognise(tmp_path / "none")
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(FormatError, match="is a file"):
        recognise(tmp_path / "file.txt")
    empty = recognise(tmp_path)
    assert "No image was found" in str(empty)
    assert empty.to_pandas().empty


@pytest.mark.parametrize(
    ("name", "kind", "of"),
    [("FOV1_segmentation_labels", "cells", "fov1"), ("segmentation_labels", "cells", ""), ("mask_nuclei", "nuclei", ""),
     ("ROI002_mask_cells", "cells", "roi002"), ("fov1_nuclear", "nuclei", "fov1"), ("a-b c_CP_masks", "cells", "a b c"),
     ("x_mask_regions", "other", "x"), ("mask_ROI 7", "cells", "roi 7")],
)  # fmt: skip
def test_names_of_masks(name: str, kind: str, of: str) -> None:
    found = mask_name(name)
    assert found is not None
    assert (found.kind, found.of) == (kind, of)


def test_names_of_markers_are_no_masks() -> None:
    assert not any(
        mask_name(name) for name in ("CD3", "DAPI", "Ki-67", "image", "H3K27me3", "pan cytokeratin")
    )
    assert split_fields(["CD3", "CD8", "DAPI"]) is None
    assert split_fields(["d0_DNA", "d1_PH3", "d2_actin"]) is None


def test_a_mask_goes_to_the_nearest_image_of_its_name_and_to_no_other(tmp_path: Path) -> None:
    plane, mask = np.zeros((20, 20), np.uint16), np.ones((20, 20), np.uint16)
    for folder in ("d1", "d2"):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "img1.tif", plane)
    tifffile.imwrite(tmp_path / "d1" / "img1_mask.tif", mask)
    plan = recognise(tmp_path)
    assert sorted((Path(image.files[0]).parent.name, image.mask is not None) for image in plan.images) == [
        ("d1", True), ("d2", False),
    ]  # fmt: skip


def test_labels_that_may_not_be_listed_are_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = zarr.open_group(tmp_path / "slide.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=np.stack([PLANE] * 2) + 1)
    group.attrs["multiscales"] = [{"axes": [{"name": n} for n in "cyx"], "datasets": [{"path": "0"}]}]
    inside = tmp_path / "slide.zarr" / "labels"
    inside.mkdir()
    listed = os.listdir

    def refused(path: object = ".") -> list[str]:
        if str(path) == str(inside):
            raise PermissionError(13, "Permission denied")
        return listed(path)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "listdir", refused)
    plan = recognise(tmp_path)
    assert [image.name for image in plan] == ["slide"], plan.left_out
    assert "Permission denied" in why(plan, "labels")


def test_what_cannot_be_counted_is_noted_once(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", np.stack([PLANE] * 2))
    mask = write(tmp_path / "a_mask.tif", MASK)
    plan = recognise(tmp_path)
    mask.write_bytes(mask.read_bytes()[:200])
    for _ in range(3):
        plan.count_cells()
    assert len(plan["a"].notes) == len(set(plan["a"].notes)) > 0


def test_nothing_of_a_broken_file_is_printed_and_the_plan_tells_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = write(tmp_path / "whole.tif", np.zeros((2, *SHAPE), np.uint16)).read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[:200])
    (tmp_path / "odd.tif").write_bytes(whole[:8] + b"\xff" * 60 + whole[68:])
    # Cut off between two pages: those before are whole.
    path, pages = (
        tmp_path / "pages.tif",
        np.random.default_rng(0).integers(0, 999, (3, *SHAPE)).astype(np.uint16),
    )
    for page in pages:
        tifffile.imwrite(path, page, append=True, metadata=None, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path) as tif:
        end = tif.pages[2].offset
    path.write_bytes(path.read_bytes()[:end])
    ome = write(tmp_path / "a.ome.tif", np.zeros((2, *SHAPE), np.uint16), metadata={"axes": "CYX"})
    ome.write_bytes(ome.read_bytes().replace(b"<Pixels", b"<Pixelz"))
    plan = recognise(tmp_path)
    assert caplog.messages == []
    assert "mmap length is greater" in why(plan, "cut.tif")
    assert "suspicious number of tags" in why(plan, "odd.tif")
    assert len(plan["pages"].channels) == 2
    assert plan["pages"].notes == [
        "pages.tif: The file ends before its last page, so channels may be missing. Check the copy."
    ]
    assert "cannot be read; names of channels and pixel size may be missing" in plan["a"].notes[0]
    assert plan["whole"].notes == []
    with tifffile.TiffFile(path) as tif:  # whoever uses tifffile beside hears of it
        assert len(tif.pages) == 2
    assert "invalid page offset" in caplog.text


def test_a_field_with_one_channel_is_called_as_its_folder_where_its_siblings_are(tmp_path: Path) -> None:
    for number in (1, 2, 7, 8):
        stack(tmp_path / f"FOV{number}", mask=None)
    stack(tmp_path / "FOV3", "DAPI", mask="segmentation_labels.tif")
    stack(tmp_path / "FOV4", "DAPI CD3", mask=None)
    (tmp_path / "FOV4" / "CD3.tif").write_bytes(b"broken")
    stack(tmp_path / "FOV5", "DAPI", mask=None, prefix="FOV5_")
    stack(tmp_path / "FOV6" / "TIFs", "CD3", mask=None)
    plan = recognise(tmp_path)
    assert {i.name: i.channels for i in plan} == {
        **{f"FOV{number}": ["CD3", "CD8", "DAPI"] for number in (1, 2, 7, 8)},
        "FOV3": ["DAPI"], "FOV4": ["DAPI"], "FOV5": ["DAPI"], "FOV6": ["CD3"],
    }  # fmt: skip
    assert {i.group for i in plan} == {None}
    assert plan["FOV3"].mask == tmp_path / "FOV3" / "segmentation_labels.tif"
    assert [i.use for i in plan] == [i.name in ("FOV1", "FOV2", "FOV7", "FOV8") for i in plan]


def test_an_image_of_one_channel_in_each_folder_keeps_its_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / f"sample {name}" / f"slide_{name}.tif")
    assert [i.name for i in recognise(tmp_path)] == ["slide_a", "slide_b"]
    for name in ("DAPI", "CD3"):
        write(tmp_path / f"{name}.tif")  # channels above them say nothing of them
    assert {i.name for i in recognise(tmp_path)} == {"slide_a", "slide_b", tmp_path.name}
