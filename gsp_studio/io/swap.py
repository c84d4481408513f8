"""Several files that take the place of former ones together, whatever happens on the way.

The new files are written into a hidden folder beside the old ones and forced to the disk; then a record of all moves
is, and only then is anything moved. What a process that was killed left behind is completed from its record by the next
one that looks into the folder, or removed where there was no record yet.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gsp_studio.io.atomic import force, is_held, take_lock

_PREFIX, _RECORD, _LOCK, _NEW, _OLD = ".export-", "moves.json", "lock", "new", "old"
#: Names that a record may hold: files of an export, at most one folder below.
_NAME = re.compile(r"(?:basis(?:16)?/)?[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[a-z0-9]+)+")


@contextlib.contextmanager
def staging_folder(directory: Path) -> Iterator[Path]:
    """A hidden folder in `directory` for files that `swap` moves; gone afterwards, with what is left in it."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=directory))
    lock: Any = None
    try:
        lock = (folder / _LOCK).open("w")
        take_lock(lock)
        (folder / _NEW).mkdir()
        yield folder / _NEW
    finally:
        # What could not be moved, nor moved back, is still to be completed.
        if not (folder / _RECORD).exists():
            if lock is not None:
                lock.close()
            shutil.rmtree(folder, ignore_errors=True)
        elif lock is not None:
            lock.close()


def swap(directory: Path, new: Path, names: Sequence[str], former: Sequence[str]) -> None:
    """Move files out of `directory` and others in, all or none.

    Parameters
    ----------
    directory : Path
    new : Path
        The folder that `staging_folder` gave, with the files to move in.
    names : sequence of str
        These files, in the order in which they come in.
    former : sequence of str
        Files in `directory` that go, in the order in which they do.

    Raises
    ------
    OSError
        A move failed; all files are where they were.
    """
    record, old = new.parent / _RECORD, new.parent / _OLD
    for folder in {(new / name).parent for name in names}:
        for path in folder.iterdir():
            if path.is_file():
                force(path)
        force(folder)
    gone = [name for name in former if name not in names]
    record.write_text(json.dumps({"names": list(names), "gone": gone}), encoding="ascii")
    force(record)
    force(record.parent)
    moves = [(directory / name, old / name) for name in former] + [(new / name, directory / name) for name in names]
    begun: list[tuple[Path, Path]] = []
    try:
        for source, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True)
            begun.append((source, target))  # before it is done: an interrupt must not lose track of a file
            os.replace(source, target)
    except BaseException:  # raised again below: Ctrl-C too ends with the former files in their places
        moved_back = [_is_moved_back(target, source) for source, target in reversed(begun)]
        if all(moved_back):
            record.unlink()
        raise
    for folder in {(directory / name).parent for name in names}:
        force(folder)
    record.unlink()


def _is_moved_back(target: Path, source: Path) -> bool:
    try:
        if not os.path.lexists(source):
            os.replace(target, source)
        return True
    except OSError:
        return False


def complete(directory: Path) -> None:
    """Finish the moves that a process which was killed had recorded, and remove what others left behind.

    Raises
    ------
    OSError
        Moves that cannot be finished now.
    """
    try:
        left = [path for path in directory.glob(f"{_PREFIX}*") if path.is_dir() and not path.is_symlink()]
    except OSError:
        return
    for folder in left:
        if not (folder / _LOCK).is_file() or is_held(folder / _LOCK):
            continue  # of another kind, or of a process that is at work
        names, gone = _recorded(folder)
        waiting = [name for name in names if (folder / _NEW / name).is_file()]
        for name in gone if waiting else ():
            with contextlib.suppress(FileNotFoundError):
                (directory / name).unlink()
        for name in waiting:
            (directory / name).parent.mkdir(exist_ok=True)
            os.replace(folder / _NEW / name, directory / name)
        if waiting:
            force(directory)
        with contextlib.suppress(OSError):
            (folder / _RECORD).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _recorded(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the files to move in and to remove; none where nothing was moved yet."""
    try:
        if any(path.is_symlink() for path in (folder / _RECORD, folder / _NEW, *(folder / _NEW).iterdir())):
            return [], []
        content = json.loads((folder / _RECORD).read_text(encoding="ascii"))
        names, gone = list(content["names"]), list(content["gone"])
        is_ours = all(isinstance(name, str) and _NAME.fullmatch(name) for name in [*names, *gone])
        return (names, gone) if is_ours else ([], [])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return [], []
