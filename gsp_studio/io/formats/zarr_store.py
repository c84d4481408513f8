"""A Zarr folder as zarr reads it, with each file looked at first: no links out of it, no pipes, no chunk that grows.

Imported only where zarr is installed.
"""

from __future__ import annotations

import asyncio
import os
import struct
from pathlib import Path
from typing import Any

from zarr.abc.store import RangeByteRequest
from zarr.storage import LocalStore

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.formats.compressed_chunks import grows_past
from gsp_studio.io.formats.zarr_chunks import METADATA, Chunks
from gsp_studio.io.memory import in_units
from gsp_studio.io.paths import leads_outside

#: Bytes of a description, and of a chunk beside its values: checksums, and an index of 16 bytes a part.
_LONGEST, _SLACK = 1 << 24, 1 << 16


class CheckedStore(LocalStore):  # type: ignore[misc]
    """The files of one array.

    Parameters
    ----------
    root : Path
    chunks : Chunks
        As the array's description has them.
    """

    def __init__(self, root: Path, chunks: Chunks) -> None:
        super().__init__(Path(os.path.realpath(root)), read_only=True)
        self._chunks = chunks
        self._known: set[str] = set()

    async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
        """The content of a file, or a part of it; None where there is none.

        Raises
        ------
        DatasetError
            A file that is a link out of the folder or no file, or has more in it than it declares.
        """
        size = self._inspect(key)
        if size is None:
            return None
        if isinstance(byte_range, RangeByteRequest) and byte_range.end > size:
            raise DatasetError(f"{self.root / key} is damaged: it ends before its parts do")
        found = await super().get(key, prototype, byte_range)
        if found is not None and key.rpartition("/")[2] not in METADATA:
            await asyncio.to_thread(self._look, key, found.to_bytes(), byte_range)
        return found

    def get_sync(self, key: str, *, prototype: Any = None, byte_range: Any = None) -> Any:
        """Read as `get` does."""
        return asyncio.run(self.get(key, prototype, byte_range))

    async def get_partial_values(self, prototype: Any, key_ranges: Any) -> list[Any]:
        """Read several files as `get` does."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    def _inspect(self, key: str) -> int | None:
        path = Path(self.root, key)
        if not os.path.lexists(path):
            return None
        folder = os.path.dirname(key)
        if folder not in self._known:
            if os.path.commonpath([self.root, os.path.realpath(path.parent)]) != os.fspath(self.root):
                raise DatasetError(f"{path.parent} is a link out of {self.root}; nothing is read from elsewhere")
            self._known.add(folder)
        if path.is_dir():
            return None
        if leads_outside(self.root, key):
            raise DatasetError(f"{path} is a link out of {self.root}, or no file; nothing is read from elsewhere")
        size = int(path.stat().st_size)
        most = _LONGEST if key.rpartition("/")[2] in METADATA else self._most_stored
        if size > most:
            raise DatasetError(f"{path} is damaged: it has {in_units(size)}, a chunk {in_units(self._chunks.nbytes)}")
        return size

    @property
    def _most_stored(self) -> int:
        return 2 * self._chunks.nbytes + 32 * self._chunks.parts + _SLACK

    def _look(self, key: str, content: bytes, byte_range: Any) -> None:
        chunks = self._chunks
        if chunks.parts == 1:
            self._require_small(key, content, chunks.nbytes)
            return
        index = 16 * chunks.parts + chunks.index_slack
        inner = chunks.nbytes // chunks.parts
        if byte_range is not None:
            is_part = isinstance(byte_range, RangeByteRequest) and len(content) != index
            if is_part:
                self._require_small(key, content, inner)
            return
        told = content[: 16 * chunks.parts] if chunks.index_first else content[len(content) - index :]
        for start, length in struct.iter_unpack("<QQ", told[: 16 * chunks.parts]):
            if start != 2**64 - 1:
                self._require_small(key, content[start : start + length], inner)

    def _require_small(self, key: str, content: bytes, nbytes: int) -> None:
        if self._chunks.codec and grows_past(content, self._chunks.codec, nbytes + _SLACK):
            raise DatasetError(
                f"{self.root / key} is damaged: a chunk declares {in_units(nbytes)} and holds more than that"
            )
