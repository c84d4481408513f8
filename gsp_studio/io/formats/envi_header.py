"""The text headers of ENVI: their fields, found in one pass, and the files that belong together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gsp_studio.io.dataset import DatasetError
from gsp_studio.io.paths import leads_outside

_BEGINNINGS = (b"ENVI", b"\xef\xbb\xbfENVI", b"\xff\xfeE\0N\0V\0I\0", b"\xfe\xff\0E\0N\0V\0I")
#: Suffixes of values, the likelier first.
_DATA = ("", ".raw", ".img", ".dat", ".bin", ".bsq", ".bil", ".bip", ".cube", ".sli", ".hsi", ".envi")
#: Suffixes of files that often lie beside a cube and hold no values.
_OTHER = (
    ".hdr",
    ".txt",
    ".xml",
    ".json",
    ".log",
    ".png",
    ".jpg",
    ".jpeg",
    ".tif",
    ".tiff",
    ".csv",
    ".enp",
    ".md",
)
_COMPRESSED = (".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".z", ".lz4")
_LONGEST = 1 << 22
#: Bytes that may follow the values.
_SLACK = 1 << 12


@dataclass(frozen=True)
class Fields:
    """The fields of a header, by their names in lower case; lists still have their braces.

    `unclosed` is the name of a list without an end, which hides the fields behind it.
    """

    path: Path
    held: dict[str, str]
    unclosed: str = ""

    def text(self, key: str, default: str = "") -> str:
        """A field's value."""
        return self.held.get(key, default).strip("{} \t\r\n")

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number.

        Raises
        ------
        DatasetError
            Something else, or nothing where there is no default.
        """
        if key not in self.held and default is not None:
            return default
        value = self.text(key)
        if not (value.isascii() and value.isdigit() and len(value) <= 18):
            said = f'is "{_short(value)}"' if key in self.held else "is missing"
            if key not in self.held and self.unclosed:
                said = f'is missing, and the list of "{_short(self.unclosed)}" has no closing brace'
            raise DatasetError(f'{self.path}: "{key}" {said}; accepted is a whole number')
        return int(value)

    def pair(self, key: str) -> tuple[int, int]:
        """Bytes before and after a frame.

        Raises
        ------
        DatasetError
            Something else than two whole numbers, or 0 for both.
        """
        parts = [part.strip() for part in self.text(key, "0").split(",")]
        if all(part.isascii() and part.isdigit() and len(part) <= 18 for part in parts):
            numbers = [int(part) for part in parts]
            if numbers == [0]:
                return 0, 0
            if len(numbers) == 2:
                return numbers[0], numbers[1]
        raise DatasetError(
            f'{self.path}: "{key}" is "{_short(self.held[key])}"; accepted are two whole numbers, '
            "the bytes before and after each frame"
        )

    def list(self, key: str) -> tuple[str, ...]:
        """The parts of a list in braces; none where there is none."""
        value = self.held.get(key, "")
        if not value.startswith("{"):
            return ()
        parts = [part.strip() for part in value.strip("{} \t\n").split(",")]
        return tuple(parts if parts[-1] else parts[:-1])  # a comma may end a list

    def numbers(self, key: str) -> tuple[float, ...]:
        """Numbers, one or in braces; none where the field is missing or holds something else."""
        return self._numbers(key)[0]

    def problem(self, key: str, count: int) -> str:
        """Why a list of numbers for `count` places is not used, as a note; "" where it is, or where there is none."""
        found, wrong = self._numbers(key)
        if wrong:
            return f'"{key}" of the header is not used: it holds "{_short(wrong)}", which is no number'
        if found and len(found) != count:
            return f'"{key}" of the header is not used: it has {len(found)} entries for {count}'
        return ""

    def _numbers(self, key: str) -> tuple[tuple[float, ...], str]:
        """Numbers between commas, or between spaces where there is no comma; else none, and the part that is none."""
        lines = (line.partition(";")[0] for line in self.held.get(key, "").split("\n"))
        text = " ".join(lines).strip("{} \t")
        found = []
        for part in filter(None, map(str.strip, text.split("," if "," in text else None))):
            try:
                found.append(_number(part))
            except ValueError:
                return (), part
        return tuple(found), ""


def _number(part: str) -> float:
    """A number of 64 bits: a whole one as it is, as a float rounds those of more than 53 bits.

    Raises
    ------
    ValueError
        Something else.
    """
    value = float(part)
    return int(part) if abs(value) < 2**65 and part.lstrip("+-").isdecimal() else value


def is_header(head: bytes) -> bool:
    """Whether a file that begins so is an ENVI header."""
    return head.startswith(_BEGINNINGS)


def read_fields(path: Path) -> Fields:
    """``key = value`` and ``key = { ... }`` over several lines; comments begin with a semicolon.

    Raises
    ------
    DatasetError
        A file that is too large for a header.
    """
    with path.open("rb") as file:
        content = file.read(_LONGEST + 1)
    if len(content) > _LONGEST:
        raise DatasetError(f"{path} is too large for an ENVI header")
    held: dict[str, str] = {}
    unclosed = ""
    lines = iter(_decoded(content).split("\n"))
    for line in lines:
        key, equals, value = line.partition("=")
        if not equals or line.lstrip().startswith(";"):
            continue
        value = value.strip()
        if value.startswith("{"):
            parts = [value]
            while "}" not in parts[-1]:
                more = next(lines, None)
                if more is None:
                    more, unclosed = "}", key.strip()
                more = more.strip()
                if not more.startswith(";"):
                    parts.append(more)
            parts[-1] = parts[-1][: parts[-1].index("}") + 1]
            value = "\n".join(parts)
        else:
            value = value.partition(";")[0].rstrip()
        held[" ".join(key.split()).lower()] = value
    return Fields(path, held, unclosed)


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", "replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def header_beside(path: Path) -> Path | None:
    """The header of the values at `path`: of their name, with .hdr for its suffix or after it, in any case."""
    for stem in dict.fromkeys((path.stem, path.name)):
        for name in dict.fromkeys((stem, stem.lower(), stem.upper())):
            for suffix in (".hdr", ".HDR", ".Hdr"):
                found = path.with_name(name + suffix)
                if found != path and found.is_file() and _begins_well(found):
                    _require_here(found, "header")
                    return found
    return None


def _begins_well(path: Path) -> bool:
    with path.open("rb") as file:
        return is_header(file.read(16))


def data_beside(header: Path, nbytes: int) -> Path:
    """The file with the values that a header describes.

    Parameters
    ----------
    header : Path
    nbytes : int
        That it should have; a file of another suffix than the usual ones has to have them, and little more.

    Raises
    ------
    DatasetError
        No such file, or one that is a link to somewhere else.
    """
    stem = header.stem if header.suffix.lower() == ".hdr" else header.name
    usual, others, packed = [], [], []
    with os.scandir(header.parent) as entries:
        for entry in entries:
            suffix = entry.name.casefold().removeprefix(stem.casefold())
            if suffix == entry.name.casefold() or entry.name == header.name or not entry.is_file():
                continue
            size = entry.stat().st_size
            if suffix in _DATA:
                rank = (size < nbytes, _DATA.index(suffix), not entry.name.startswith(stem))
                usual.append((rank, entry.name))
            elif suffix.startswith(".") and suffix.endswith(_COMPRESSED):
                packed.append(entry.name)
            elif suffix.startswith(".") and suffix not in _OTHER and nbytes <= size <= nbytes + _SLACK:
                others.append(entry.name)
    usual.sort()
    found = [name for (is_short, *_), name in usual if not is_short] or (others if len(others) == 1 else [])
    found = found or [name for _, name in usual]
    if not found and packed:
        raise DatasetError(f"{header}: its values are compressed in {packed[0]}; accepted is the file that is in it")
    if not found:
        listed = ", ".join(stem + suffix for suffix in _DATA if stem + suffix != header.name)
        raise DatasetError(f"{header}: the file with the values is not beside it; tried were {listed}")
    data = header.parent / found[0]
    _require_here(data, "file with the values")
    return data


def _require_here(path: Path, what: str) -> None:
    if leads_outside(path.parent, path.name):
        raise DatasetError(f"{path}, the {what}, is a link to another folder; open it where it is")


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
