"""Names of arrays, and of columns of tables, that hold the coordinates of bands."""

from __future__ import annotations

import re

#: Names of coordinates of bands, without separators: their axis and the unit that the name says.
_COORDINATES = {
    **dict.fromkeys(("wavelength", "wavelengths", "wl", "wls", "lambda", "lambdas", "bandcenters"), ("Wavelength", "")),
    **dict.fromkeys(("wavelengthnm", "wavelengthsnm", "wlnm"), ("Wavelength", "nm")),
    **dict.fromkeys(("wavelengthum", "wavelengthsum"), ("Wavelength", "µm")),
    **dict.fromkeys(("wavenumber", "wavenumbers"), ("Wavenumber", "")),
    **dict.fromkeys(("ramanshift", "ramanshifts"), ("Raman shift", "")),
    **dict.fromkeys(("energy", "energies", "energyaxis"), ("Energy", "")),
    **dict.fromkeys(("energyev", "energiesev"), ("Energy", "eV")),
    **dict.fromkeys(("energykev", "energieskev"), ("Energy", "keV")),
    **dict.fromkeys(("frequency", "frequencies"), ("Frequency", "")),
    **dict.fromkeys(("mz", "masses"), ("m/z", "")),
}
_WITH_UNIT = re.compile(r"([^(\[]+)[(\[]([^)\]]+)[)\]]")


def coordinate_name(name: str) -> tuple[str, str] | None:
    """Axis name and unit that the name of coordinates says, "Raman shift (cm-1)" for example; None for other names."""
    said, parts = _COORDINATES.get(bare_name(name)), _WITH_UNIT.fullmatch(name.strip())
    if said is None and parts is not None:
        alone = _COORDINATES.get(bare_name(parts[1]))
        return None if alone is None else (alone[0], parts[2].strip())
    return said


def bare_name(name: str) -> str:
    """The last part of an array's name in lower case, without separators."""
    last = name.replace(".", "/").rpartition("/")[2]
    return "".join(c for c in last.lower() if c.isalnum())
