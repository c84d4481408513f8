"""Nouns of the data: what texts call samples, basis vectors and their entries.

Texts are written for images; `Nouns.of` says them for the data at hand. Nothing else knows these words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NOUN = re.compile(r"\b(?:([Aa])n )?(basis image|image|pixel)(s?)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Nouns:
    """The words for one kind of data, each with its plural.

    Attributes
    ----------
    sample, samples : str
        A column of X: "image".
    basis, bases : str
        A column of W: "basis image".
    entry, entries : str
        A value of either: "pixel".
    """

    sample: str
    samples: str
    basis: str
    bases: str
    entry: str
    entries: str

    def of(self, text: str) -> str:
        """Say a text that is written for images for these data.

        Parameters
        ----------
        text : str
            With "image", "basis image" and "pixel" for a sample, a basis vector and an entry. Names of files, runs and
            people belong into what comes back, never into this.

        Returns
        -------
        str
            The same text with these nouns in their number, article and capitals.
        """
        if self == IMAGES:
            return text
        words = {
            "image": (self.sample, self.samples),
            "basis image": (self.basis, self.bases),
            "pixel": (self.entry, self.entries),
        }

        def said(found: re.Match[str]) -> str:
            article, noun, plural = found.groups()
            word = words[noun.lower()][bool(plural)]
            if article:
                return f"{article}{'n' * (word[0] in 'aeiou')} {word}"
            return word[0].upper() + word[1:] if noun[0].isupper() else word

        return _NOUN.sub(said, text)


IMAGES = Nouns("image", "images", "basis image", "basis images", "pixel", "pixels")
#: Where a sample is a pixel of a cube, with its values in all bands.
SPECTRA = Nouns("spectrum", "spectra", "basis spectrum", "basis spectra", "band", "bands")
