"""Opening a bundle: a zip from somewhere becomes a project folder, or nothing at all.

Every member is looked at before the first is written: its name stays inside, it is a plain file, there is one of it, and
all of them fit on the disk.
"""

from __future__ import annotations

import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO
from uuid import uuid4

from ..errors import CellTuneError, FormatError, InputError, ProjectError, ProjectVersionError
from .bundles import FORMAT, MANIFEST
from .checks import folder as as_path
from .project import Project

__all__ = ["is_bundle", "open_bundle", "unpack"]

#: A bundle that declares more than this many bytes, and more than so many times its own size, is a trap.
PLAIN, RATIO = 4 << 30, 200
#: The list of members is read as a whole: its bytes, and how many members.
LIST, MEMBERS = 128 << 20, 500_000
COPY = 1 << 20
#: Names that some systems have for devices.
DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))}


def is_bundle(path: object) -> bool:
    """Whether a path is to be unpacked before it is opened."""
    return isinstance(path, str | Path) and str(path).lower().endswith(".zip") and not Path(path).is_dir()


def open_bundle(path: object, folder: object) -> Path:
    """Unpack a bundle with a bar that shows when it takes longer than a moment; the project's folder."""
    from tqdm.auto import tqdm

    bundle = as_path(path)
    if bundle.suffix.lower() != ".zip":
        raise InputError(
            f"{bundle.name!r} is no bundle. folder= belongs to a .zip; open a project by its folder alone."
        )
    if folder is None:
        raise InputError(
            f"{bundle.name} is a bundle. Say where its project is to be: Session.open({str(path)!r}, folder=…)."
        )
    with tqdm(
        total=1, desc=f"Unpacking {bundle.name}", unit="B", unit_scale=True, delay=1.0, leave=False
    ) as bar:

        def progress(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        return unpack(bundle.expanduser(), as_path(folder).expanduser().absolute(), progress)


def unpack(path: Path, folder: Path, progress: Callable[[int, int], object] = lambda done, of: None) -> Path:
    """Unpack a bundle into a folder that is not there yet, or empty.

    Parameters
    ----------
    progress : callable
        Is told the bytes that are written, and of how many.

    Raises
    ------
    FormatError
        When it is no bundle, is damaged, or holds what could harm.
    ProjectError
        When the folder is taken or the disk too small.
    """
    if not path.is_file():
        raise FormatError(f"There is no file {path}. Check the path.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProjectError(f"{folder} is not an empty folder. Choose another one for the bundle's project.")
    temporary = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.tmp")
    try:
        with path.open("rb") as stream:
            _check_list(stream, path)
            with zipfile.ZipFile(stream) as archive:
                members = _members(archive, path)
                _check_version(archive, path)
                folder.parent.mkdir(parents=True, exist_ok=True)
                _check_size(members, path, folder.parent)
                _write(archive, members, temporary, progress)
        Project.open(temporary).check_journal()
        if folder.exists():
            folder.rmdir()
        temporary.rename(folder)
    except CellTuneError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        OverflowError,
        RuntimeError,
        ValueError,  # names that are no text
        struct.error,
    ) as error:
        raise FormatError(
            f"{path.name} is no readable bundle ({error}). Get it once more, or unpack it by hand."
        ) from error
    except OSError as error:
        raise ProjectError(
            f"{path.name} could not be unpacked into {folder} ({error.strerror or error}). Choose a folder that you may write to, "
            "with enough room."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _check_list(stream: IO[bytes], path: Path) -> None:
    """Refuse a list of members that would take all memory; the module zipfile reads it as it comes."""
    size = path.stat().st_size
    start = max(0, size - 65_557)
    stream.seek(start)
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        raise FormatError(
            f"{path.name} is no bundle: it is no zip file. Choose one that session.save_bundle() wrote."
        )
    length, end = struct.unpack("<L", tail[at + 12 : at + 16])[0], start + at
    stream.seek(max(0, end - 76))
    before = stream.read(76) if end >= 76 else b""
    # The long form counts wherever it is there, whatever the short one says.
    if before[56:60] == b"PK\x06\x07":
        place = struct.unpack("<Q", before[64:72])[0]
        if before[:4] != b"PK\x06\x06" or place != end - 76:
            raise FormatError(
                f"{path.name} has a list of members in another place than it says. It is no bundle."
            )
        length, end = struct.unpack("<Q", before[40:48])[0], end - 76
    if length > min(LIST, end):
        raise FormatError(
            f"{path.name} declares a list of members of {length / 1e6:,.0f} MB. It is no bundle."
        )
    stream.seek(end - length)
    names, place, count = stream.read(length), 0, 0
    stream.seek(0)
    while names[place : place + 4] == b"PK\x01\x02" and len(names) >= place + 46:
        count += 1
        place += 46 + sum(struct.unpack("<3H", names[place + 28 : place + 34]))
        if count > MEMBERS:
            raise FormatError(
                f"{path.name} has more than {MEMBERS:,} members. If you trust it, unpack it by hand and open the folder."
            )


def _members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """The files of a bundle, once each of them may be written."""
    files, seen, folders = [], set(), set()
    end = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        name = info.orig_filename
        mode = stat.S_IFMT(info.external_attr >> 16)
        where = f"{path.name} holds {name[:80]!r}, "
        if not _inside(name):
            raise FormatError(
                f"{where}a name that leads out of a folder or fits no system. Nothing was unpacked."
            )
        if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise FormatError(f"{where}which is a link or a device. Nothing was unpacked.")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormatError(f"{where}which is encrypted or packed in an unknown way. Nothing was unpacked.")
        if info.header_offset < end:
            raise FormatError(f"{where}which lies in another member. Nothing was unpacked.")
        end = info.header_offset + 30 + len(name.encode()) + info.compress_size
        if info.is_dir():
            continue
        key = unicodedata.normalize("NFC", name).casefold()
        if key in seen:
            raise FormatError(f"{where}twice. Nothing was unpacked.")
        seen.add(key)
        folders |= {str(parent) for parent in PurePosixPath(key).parents}
        files.append(info)
    if seen & folders:
        raise FormatError(
            f"{path.name} holds {min(seen & folders)!r} as a file and as a folder. Nothing was unpacked."
        )
    if not {"project.json", "labels.sqlite"} <= {info.filename for info in files}:
        raise FormatError(f"{path.name} holds no project. Choose a bundle that session.save_bundle() wrote.")
    return files


def _inside(name: str) -> bool:
    """Whether a member's name is one of a file below a folder, on every system."""
    parts = name.removesuffix("/").split("/")
    return (
        len(name) < 1_000
        and name.isprintable()
        and not any(c in name for c in '\\:*?"<>|')
        and all(
            0 < len(part.encode()) < 250
            and part not in (".", "..")
            and part[-1] not in ". "
            and part.partition(".")[0].lower() not in DEVICES
            for part in parts
        )
    )


def _check_version(archive: zipfile.ZipFile, path: Path) -> None:
    import json

    try:
        info = archive.getinfo(MANIFEST)
    except KeyError:
        return  # a project folder that somebody zipped
    try:
        about = json.loads(archive.read(MANIFEST)) if info.file_size < COPY else None
        version = int(about["format"])  # type: ignore[index]
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise FormatError(f"{MANIFEST} in {path.name} is damaged. Get the bundle once more.") from error
    if version > FORMAT:
        raise ProjectVersionError(
            f"{path.name} was written by a newer celltune_nb. Update celltune_nb, then open it again."
        )


def _check_size(members: list[zipfile.ZipInfo], path: Path, folder: Path) -> None:
    total, packed = sum(info.file_size for info in members), path.stat().st_size
    if total > max(PLAIN, RATIO * packed):
        raise FormatError(
            f"{path.name} ({packed / 1e6:,.1f} MB) would become {total / 1e9:,.0f} GB: such a file is made to fill a disk. If you "
            "trust it, unpack it by hand and open the folder."
        )
    free = shutil.disk_usage(folder).free
    if total + (1 << 28) > free:
        raise ProjectError(
            f"The project takes {total / 1e9:,.1f} GB; {free / 1e9:,.1f} GB are free in {folder}. Make room, or choose a folder "
            "on another disk."
        )


def _write(
    archive: zipfile.ZipFile,
    members: list[zipfile.ZipInfo],
    folder: Path,
    progress: Callable[[int, int], object],
) -> None:
    total, done = sum(info.file_size for info in members), 0
    for info in members:
        if info.filename == MANIFEST:
            continue
        target = folder.joinpath(*info.filename.split("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        left = info.file_size
        with archive.open(info) as stream, target.open("xb") as out:
            while part := stream.read(COPY):
                left -= len(part)
                if left < 0:
                    raise FormatError(f"{info.filename!r} is larger than it says. Nothing was unpacked.")
                out.write(part)
                done += len(part)
                progress(done, total)
        if left:
            raise FormatError(f"{info.filename!r} ends too early. Get the bundle once more.")
