"""Skies for simulations whose pixels lie elsewhere than tables say."""

from photometry.files import wcs
from photometry.simulation.pointing import Sky


class OtherSky(Sky):
    """A sky whose WCS is given."""

    def __init__(self, key, made):
        super().__init__(*key)
        self.wcs = wcs.wcs_from_text(wcs.wcs_to_text(made))
