"""Sources of image files: a folder, a ZIP or a TAR archive, or one file with several frames.

Archives are read in memory, a member at a time; nothing is ever extracted. The name of a member is never a path.
Links are not followed out of a folder, and in an archive only hard links to members before them, which are how TAR
keeps a file of several names: what a set holds must not depend on what lies elsewhere.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import posixpath
import re
import tarfile
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.matlab5 import DEFLATE_MOST
from gsp_studio.io.formats.zarr_chunks import METADATA
from gsp_studio.io.memory import in_units, require_memory

#: Bytes that one image of an archive may have, decompressed.
_LARGEST_MEMBER = 1 << 31
_CHUNK = 1 << 20
#: Bytes that one byte of a compressed archive becomes at most, beyond the first 64 MiB: images do not shrink more.
_MOST_SHRUNK = 256
#: Bytes of the extended header of a member in a TAR archive, and digits in it that follow each other.
_LARGEST_HEADER, _LONGEST_NUMBER = 1 << 20, 999


class ImageFile(Protocol):
    """File that can be opened as an image: a `Path`, or a `Member`."""

    @property
    def name(self) -> str:
        """Name without its folders."""

    @property
    def suffix(self) -> str:
        """Suffix of the name, with the dot."""

    def open(self, mode: str) -> IO[bytes]:
        """Open its bytes; `mode` is "rb"."""


@dataclass(frozen=True)
class Member:
    """A file of a source.

    Attributes
    ----------
    inside : str
        Its name in the source, with the folders there.
    where : str
        Its name in messages.
    """

    inside: str
    where: str
    opener: Callable[[str], IO[bytes]] = field(repr=False, compare=False)
    partly: Callable[[str, int], bytes] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """Name without its folders."""
        return os.path.basename(self.inside)

    @property
    def suffix(self) -> str:
        """Suffix of the name, with the dot."""
        return os.path.splitext(self.inside)[1]

    @property
    def parent(self) -> str:
        """The folder that it lies in, "." for the source itself."""
        return os.path.dirname(self.inside) or "."

    def open(self, mode: str = "rb") -> IO[bytes]:
        """Open its bytes."""
        return self.opener(self.inside)

    def head(self, size: int) -> bytes:
        """First bytes, up to `size` of them; no more of it is read or decompressed."""
        return self.partly(self.inside, size)

    def __str__(self) -> str:
        return self.where


@dataclass(frozen=True)
class Source:
    """An open source.

    Attributes
    ----------
    path : Path
    inside : tuple of str
        Names of its members, in any order.
    opener, partly : callable
        Open a member by its name, and read its first bytes.
    unread : tuple of str
        Names of links and devices in an archive, which are not read.
    replaced : tuple of str
        Names of members of an archive of which a later one is read, one each.
    """

    path: Path
    inside: tuple[str, ...]
    opener: Callable[[str], IO[bytes]]
    partly: Callable[[str, int], bytes]
    unread: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()

    def member(self, inside: str) -> Member:
        """The member of that name."""
        where = str(self.path) if not inside else os.path.join(str(self.path), inside)
        if inside:
            return Member(inside, where, self.opener, self.partly)
        return Member(self.path.name, where, lambda _: self.opener(""), lambda _, size: self.partly("", size))

    def members(self) -> list[Member]:
        """All members."""
        return [self.member(inside) for inside in self.inside]


def is_archive(path: Path, head: bytes) -> bool:
    """Whether a file is a ZIP or TAR archive by its content, compressed or not."""
    if head.startswith(b"PK\3\4"):
        return True
    if head[:2] == b"\x1f\x8b" or head[:3] == b"BZh" or head[:6] == b"\xfd7zXZ\0":
        try:
            with _decompressing(path) as stream:
                head = stream.read(512)
        except (OSError, EOFError, zlib.error, lzma.LZMAError):
            return False
    elif path.is_file():
        with path.open("rb") as file:
            head = file.read(512)
    return len(head) >= 265 and head[257:262] == b"ustar"


def holds_zarr(path: Path) -> bool:
    """Whether a source is a ZIP archive of a Zarr folder, by the names of its members."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with _damage_named(path), _zip(path) as archive:
        return any(PurePosixPath(name).name in METADATA for name in archive.namelist())


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """The source at a path.

    Raises
    ------
    DatasetError
        An archive that is damaged, encrypted, or declares more than it can hold.
    """
    if path.is_dir():
        yield replace(in_folder(path), inside=tuple(_walk(path)))
    elif _head(path).startswith(b"PK") and zipfile.is_zipfile(path):
        with _damage_named(path), _zip(path) as archive:
            found = list(_zip_members(archive))
            infos = dict(found)
            yield Source(
                path,
                tuple(infos),
                lambda inside: _zip_member(archive, infos[inside], inside, path),
                lambda inside, size: _zip_head(archive, infos[inside], inside, size, path),
                replaced=_replaced([name for name, _ in found]),
            )
    elif is_archive(path, _head(path)):
        with _damage_named(path), _tar(path) as tar:
            lock = threading.Lock()
            members, unread, replaced = _tar_members(tar, path)
            yield Source(
                path,
                tuple(members),
                lambda inside: _tar_member(tar, members[inside], lock, path),
                lambda inside, size: _tar_head(tar, members[inside], lock, size),
                unread,
                replaced,
            )
    else:
        yield _of_files(path, ("",), lambda inside: path.open("rb"))


def in_folder(path: Path) -> Source:
    """A folder whose names are known: it is not gone through."""
    return _of_files(path, (), lambda inside: open(os.path.join(path, inside), "rb"))


def _of_files(path: Path, inside: tuple[str, ...], opener: Callable[[str], IO[bytes]]) -> Source:
    def partly(name: str, size: int) -> bytes:
        with opener(name) as stream:
            return stream.read(size)

    return Source(path, inside, opener, partly)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise DatasetError(f"{path} is a damaged archive ({error})") from error


def _walk(path: Path) -> Iterator[str]:
    """Names of files and links below a folder, in any order; what is hidden is left out. Links to folders stay closed.

    Folders that cannot be opened raise.
    """
    root = os.fspath(path)
    pending = [""]
    while pending:
        above = pending.pop()
        with os.scandir(os.path.join(root, above) if above else root) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                name = os.path.join(above, entry.name) if above else entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append(name)
                else:
                    yield name


def _zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (MemoryError, PermissionError):
        raise
    except Exception as error:  # its reader of directories raises almost anything for damaged ones
        raise DatasetError(f"{path} is a damaged archive ({error})") from error


def _zip_members(archive: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """Files and their names, in which "\\" parts folders where no name has "/", and none leads upwards."""
    infos = archive.infolist()
    is_of_windows = not any("/" in info.filename or ".." in info.filename.split("\\") for info in infos)
    for info in infos:
        name = info.filename.replace("\\", "/") if is_of_windows else info.filename
        if name and not name.endswith("/") and not _is_hidden(name):
            yield name, info


def _require_open(info: zipfile.ZipInfo, inside: str, path: Path) -> None:
    if info.flag_bits & 1:
        raise DatasetError(f"{inside} in {path} is encrypted; unpack the archive to open it")


def _zip_head(archive: zipfile.ZipFile, info: zipfile.ZipInfo, inside: str, size: int, path: Path) -> bytes:
    _require_open(info, inside, path)
    try:
        with archive.open(info) as stream:
            return stream.read(size)
    except (MemoryError, PermissionError):
        raise
    except Exception as error:  # as for its directory
        raise DatasetError(f"{inside} in {path} is damaged ({error})") from error


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, inside: str, path: Path) -> IO[bytes]:
    _require_open(info, inside, path)
    where = f"{inside} in {path}"
    if info.file_size > min(_LARGEST_MEMBER, DEFLATE_MOST * info.compress_size + 64):
        raise DatasetError(f"{where} declares {in_units(info.file_size)}, more than it can hold")
    require_memory(info.file_size, where)
    try:
        return io.BytesIO(archive.read(info))  # never more than it declares; what it holds has to match its checksum
    except (MemoryError, PermissionError):
        raise
    except Exception as error:  # as for its directory
        raise DatasetError(f"{where} is damaged ({error})") from error


@contextmanager
def _decompressing(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        head = file.read(6)
    kind: Any = gzip.open
    if head[:3] == b"BZh":
        kind = bz2.open
    elif head == b"\xfd7zXZ\0":
        kind = lzma.open
    with kind(path) as stream:
        yield stream


@contextmanager
def _tar(path: Path) -> Iterator[tarfile.TarFile]:
    """A TAR archive; a compressed one in memory, as its members are wanted in any order."""
    with path.open("rb") as file:
        head = file.read(6)
        if head[:2] == b"\x1f\x8b" or head[:3] == b"BZh" or head == b"\xfd7zXZ\0":
            content = io.BytesIO()
            most = 64 * _CHUNK + _MOST_SHRUNK * path.stat().st_size
            with _decompressing(path) as stream:
                while chunk := stream.read(_CHUNK):
                    content.write(chunk)
                    if content.tell() > most:
                        raise DatasetError(f"{path} becomes more than {in_units(most)}: no archive of images does")
                    if content.tell() % (64 * _CHUNK) < _CHUNK:  # a bomb is stopped while it is read
                        require_memory(content.tell(), f"{path}, decompressed,")
            content.seek(0)
            with tarfile.open(fileobj=content, mode="r:", tarinfo=_Item) as tar:
                yield tar
        else:
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:", tarinfo=_Item) as tar:
                yield tar


class _Item(tarfile.TarInfo):
    """A member of a TAR archive whose extended headers are looked at before they are parsed."""

    def _proc_pax(self, tar: Any) -> Any:
        # A pattern in tarfile takes the square of the digits that follow each other (Python up to 3.11.9 and 3.12.5).
        at = tar.fileobj.tell()
        content = tar.fileobj.read(min(self.size, _LARGEST_HEADER))
        tar.fileobj.seek(at)
        if self.size > _LARGEST_HEADER or any(len(run) > _LONGEST_NUMBER for run in re.findall(rb"\d+", content)):
            raise tarfile.ReadError("an extended header is longer than any true one")
        return super()._proc_pax(tar)  # type: ignore[misc]


def _tar_members(
    tar: tarfile.TarFile, path: Path
) -> tuple[dict[str, tarfile.TarInfo], tuple[str, ...], tuple[str, ...]]:
    """Files by their names, those of hard links among them, and `Source.unread` and `Source.replaced`."""
    found, unread = [], []
    files: dict[str, tarfile.TarInfo] = {}  # hidden ones, too, which can have another name
    try:
        for item in tar:
            target = item if item.isreg() else None
            if item.islnk():
                target = files.get(posixpath.normpath(item.linkname))
            if target is not None:
                files[posixpath.normpath(item.name)] = target
            if _is_hidden(item.name) or item.isdir():
                continue
            if target is not None:
                found.append((item.name, target))
            else:
                unread.append(item.name)
    except (MemoryError, PermissionError, tarfile.TarError, EOFError):
        raise
    except Exception as error:  # as for the directory of a ZIP archive; a chain of headers, too, can be endless
        raise DatasetError(f"{path} is a damaged archive ({error or type(error).__name__})") from error
    members = dict(found)
    return members, tuple(name for name in unread if name not in members), _replaced([name for name, _ in found])


def _tar_head(tar: tarfile.TarFile, item: tarfile.TarInfo, lock: threading.Lock, size: int) -> bytes:
    with lock:
        stream = tar.extractfile(item)
        return stream.read(min(size, item.size)) if stream is not None else b""


def _tar_member(tar: tarfile.TarFile, item: tarfile.TarInfo, lock: threading.Lock, path: Path) -> IO[bytes]:
    if item.size > _LARGEST_MEMBER:
        raise DatasetError(f"{item.name} in {path} declares {in_units(item.size)}, more than an image has")
    if item.issparse():
        raise DatasetError(f"{item.name} in {path} is stored with holes; unpack the archive to open it")
    require_memory(item.size, f"{item.name} in {path}")
    with lock:
        stream = tar.extractfile(item)
        content = stream.read() if stream is not None else b""
    if len(content) < item.size:
        raise DatasetError(f"{item.name} in {path} is truncated")
    return io.BytesIO(content)


def _replaced(names: list[str]) -> tuple[str, ...]:
    """Names that stand again behind others, each as often as it does."""
    return tuple(name for name, count in Counter(names).items() for _ in range(count - 1))


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part.startswith((".", "__MACOSX")) and part != ".." for part in parts)
