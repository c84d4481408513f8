"""Files that are whole or not there: written under another name, forced to the disk, then renamed."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gsp_studio.io.dataset import one_line

if TYPE_CHECKING:
    import h5py


class WriteError(ValueError):
    """A file that could not be written; one sentence: which and why. What was there before is still there."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ExportError(ValueError):
    """An export that could not be written or read; the message is one sentence: what, where and why."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ExportCancelled(ExportError):
    """An export was cancelled; nothing of it is left, and an earlier one is as it was."""


class FolderTaken(ExportError):
    """The folder of an export holds another run, which is replaced only on request."""


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Make or replace a file, all of it or nothing.

    Parameters
    ----------
    path : Path
        Its folder has to be there.
    write : Path -> None
        Writes the content into the file of that name, in the same folder.

    Raises
    ------
    WriteError
        No room, no permission, a folder that is gone; `path` is as it was, and nothing else is left.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:64]}-", suffix=".part", dir=path.parent)
        temporary = Path(name)
        os.close(handle)
        write(temporary)
        force(temporary)
        if path.exists():
            os.chmod(temporary, path.stat().st_mode & 0o777)
        else:
            os.chmod(temporary, 0o666 & ~_mask())
        os.replace(temporary, path)
        temporary = None
        force(path.parent)
    except (OSError, RuntimeError) as error:  # h5py's are both
        raise WriteError(f"{path} cannot be written: {failure_reason(error, temporary)}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


class CarefulFile(io.RawIOBase):
    """A file for HDF5, which ends the process when a write fails as it closes: it never gets an error.

    Bytes without room on the disk stay in memory until the end, so that HDF5 reads back its own; `error` is the cause.

    Parameters
    ----------
    path : Path
        Made empty.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.error: OSError | None = None
        self._file = path.open("w+b", buffering=0)
        self._place = self._end = 0
        self._homeless: list[tuple[int, bytes]] = []

    def check(self) -> None:
        """Raise the error of an earlier write, if there was one."""
        if self.error is not None:
            raise self.error

    def readable(self) -> bool:
        """Yes."""
        return True

    writable = seekable = readable

    def write(self, data: Any) -> int:
        """Always succeeds."""
        content = bytes(data)
        try:
            self.check()
            self._file.seek(self._place)
            done = 0
            while done < len(content):
                done += self._file.write(content[done:]) or 0
        except OSError as error:
            self.error = self.error or error
            self._homeless.append((self._place, content))
        self._place += len(content)
        self._end = max(self._end, self._place)
        return len(content)

    def readinto(self, buffer: Any) -> int:
        """All bytes written, on the disk and in memory."""
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self._end - self._place))
        self._file.seek(self._place)
        found = self._file.read(wanted) or b""
        view[:wanted] = found + bytes(wanted - len(found))
        for start, content in self._homeless:
            a, b = max(start, self._place), min(start + len(content), self._place + wanted)
            if a < b:
                view[a - self._place : b - self._place] = content[a - start : b - start]
        self._place += wanted
        return wanted

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of `io.RawIOBase`."""
        self._place = offset + (0, self._place, self._end)[whence]
        return self._place

    def tell(self) -> int:
        """As of `io.RawIOBase`."""
        return self._place

    def truncate(self, size: int | None = None) -> int:
        """Always succeeds."""
        self._end = self._place if size is None else size
        try:
            self._file.truncate(self._end)
        except OSError as error:
            self.error = self.error or error
        return self._end

    def close(self) -> None:
        """As of `io.RawIOBase`."""
        self._file.close()
        super().close()


def careful_hdf5(path: Path, write: Callable[[h5py.File, Callable[[], None]], None]) -> None:
    """Write an HDF5 file on a disk that may be full; `write` gets the file, and a check that raises where it is.

    Raises
    ------
    OSError
        The disk's own reason.
    """
    import h5py  # here, as the window imports this module before its first paint

    with CarefulFile(path) as raw:
        with h5py.File(raw, "w") as file:
            write(file, raw.check)
        raw.check()


#: Bytes of a trial write, made where a library does not say why it failed.
_PROBE = 1 << 20


def failure_reason(error: BaseException, written: Path | None) -> str:
    """The system's words for a failed write, which libraries hide among their own, or do not pass on."""
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO, errno.EFBIG):
        if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
            return os.strerror(number)
    if getattr(error, "errno", None) is None and written is not None:
        try:
            with written.open("ab") as file:
                file.write(bytes(_PROBE))
                file.flush()
                os.fsync(file.fileno())
        except OSError as reason:
            return reason.strerror or str(reason)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _mask() -> int:
    """The process's mask for new files."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def force(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    is_folder = path.is_dir()
    flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) if is_folder else os.O_RDWR
    try:
        handle = os.open(path, flags)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except PermissionError:  # Windows opens no folders
        pass
    except OSError:
        if not is_folder:  # of folders, some network disks cannot say it
            raise


def take_lock(file: Any) -> None:
    """Hold a lock as long as the file is open, or the process lives."""
    try:
        import fcntl
    except ImportError:  # Windows: an open file cannot be removed there, which is lock enough
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of `take_lock` on this file."""
    try:
        import fcntl
    except ImportError:
        try:
            path.rename(path)
        except OSError:
            return True
        return False
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
