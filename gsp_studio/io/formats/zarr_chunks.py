"""The chunks of a Zarr array, by its description: sizes, shards, and the codec that compresses them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gsp_studio.io.dataset import DatasetError

#: Names of files that describe arrays and groups.
METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
COMPRESSORS = {"blosc", "gzip", "zlib", "zstd", "lz4", "lzma", "bz2"}


@dataclass(frozen=True)
class Chunks:
    """Files that hold the values of an array.

    Attributes
    ----------
    sides : tuple of int
        Of a file's values.
    nbytes : int
        Of these.
    count : int
        Files of the whole array.
    parts : int
        Compressed parts of a file: 1, or more of shards.
    index_first : bool
        Whether a shard begins with the index of its parts; else it ends with it.
    index_slack : int
        Bytes of the index's checksum.
    codec : str
        Codec that compresses a part, "" for none.
    """

    sides: tuple[int, ...]
    nbytes: int
    count: int
    parts: int = 1
    index_first: bool = False
    index_slack: int = 0
    codec: str = ""


def sizes_of(told: Any, least: int) -> tuple[int, ...]:
    sizes = tuple(told)
    if not all(isinstance(size, int) and size >= least for size in sizes):
        raise ValueError("sizes that are none")
    return sizes


def codec_name(codec: dict[str, Any]) -> str:
    return str(codec.get("name", codec.get("id", ""))).removeprefix("numcodecs.")


def chunks_of(content: dict[str, Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Chunks:
    """Derive the chunks of an array from its description.

    Raises
    ------
    DatasetError
        Codecs that are put together in an unusual way, as a clause.
    KeyError, TypeError, ValueError
        A damaged description.
    """
    if content.get("zarr_format") == 3:
        sides = sizes_of(content["chunk_grid"]["configuration"]["chunk_shape"], 1)
        codecs = list(content["codecs"])
    else:
        sides = sizes_of(content["chunks"], 1)
        codecs = [codec for codec in (*(content.get("filters") or ()), content.get("compressor")) if codec]
    count = math.prod(-(-n // side) for n, side in zip(shape, sides, strict=True))
    parts, first, slack = 1, False, 0
    if any(codec_name(codec) == "sharding_indexed" for codec in codecs):
        if len(codecs) > 1:
            raise DatasetError("shards within other codecs")
        shard = codecs[0]["configuration"]
        inner, codecs = sizes_of(shard["chunk_shape"], 1), list(shard["codecs"])
        parts = math.prod(-(-n // side) for n, side in zip(sides, inner, strict=True))
        first = shard.get("index_location", "end") == "start"
        index = [codec_name(codec) for codec in shard["index_codecs"]]
        if index not in (["bytes"], ["bytes", "crc32c"]) or "sharding_indexed" in map(codec_name, codecs):
            raise DatasetError("shards that are compressed twice")
        slack = 4 * ("crc32c" in index)
    names = [codec_name(codec) for codec in codecs]
    packed = [name for name in names if name in COMPRESSORS]
    after = names[names.index(packed[0]) + 1 :] if packed else []
    if any(name != "crc32c" for name in after):
        raise DatasetError("codecs after that which compresses")
    if packed == ["lzma"] and any(dict(_options(codec)).get("format") == 3 for codec in codecs):
        raise DatasetError("LZMA without a header")
    return Chunks(sides, math.prod(sides) * max(8, dtype.itemsize), count, parts, first, slack, "".join(packed))


def _options(codec: dict[str, Any]) -> dict[str, Any]:
    return codec.get("configuration") or codec
