"""Skies for simulations whose pixels lie elsewhere than tables say."""

from photometry.files import wcs
from photometry.simulation.pointing import Sky

SPECIAL_START = 4055.0
"""TJD at which the special observation of January 2026, sector 1751, began."""


class SpecialSky(Sky):
    """The sky of a sector whose number does not tell its date."""

    start = SPECIAL_START


class OtherSky(Sky):
    """A sky whose WCS is given."""

    def __init__(self, key, made):
        super().__init__(*key)
        self.wcs = wcs.wcs_from_text(wcs.wcs_to_text(made))
