"""Annotations of a run: a name, a note, tags, and the basis images that were accepted or rejected."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Annotations:
    """Remarks of the user on a run.

    Attributes
    ----------
    name : str
        Name, in place of "Run 3".
    note : str
    tags : tuple of str
    accepted, rejected : frozenset of int
        Basis images of the run that were judged.
    """

    name: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    accepted: frozenset[int] = frozenset()
    rejected: frozenset[int] = frozenset()

    def judge(self, bases: tuple[int, ...], accept: bool) -> Annotations:
        """With these basis images accepted, or rejected; where they all were so already, with no word on them."""
        chosen, before = frozenset(bases), self.accepted if accept else self.rejected
        after, other = before | chosen, (self.rejected if accept else self.accepted) - chosen
        if chosen <= before:
            after = before - chosen
        return replace(self, accepted=after if accept else other, rejected=other if accept else after)

    def as_json(self) -> dict[str, Any]:
        """For files: plain lists and texts, what is empty left out."""
        content = {**asdict(self), "accepted": sorted(self.accepted), "rejected": sorted(self.rejected)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in content.items() if value}

    @classmethod
    def from_json(cls, content: dict[str, Any], rank: int) -> Annotations:
        """Read what `as_json` wrote, among other things; drop invalid values."""
        sets = {
            name: frozenset(k for k in content.get(name, ()) if isinstance(k, int) and 0 <= k < rank)
            for name in ("accepted", "rejected")
        }
        tags = tuple(str(tag) for tag in content.get("tags", ()))
        return cls(str(content.get("name", "")), str(content.get("note", "")), tags, **sets)
