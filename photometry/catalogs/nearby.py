"""The stars of a catalogue around a few pixels, found without a look at all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from photometry.core.coordinates import unit_vectors
from photometry.files import wcs as wcs_file
from photometry.files.catalog import Catalog

REACH = 70
"""Distance from the pixels up to which stars matter, px: as far as bright ones shine."""


@dataclass(frozen=True)
class Nearby:
    """A catalogue of which the surroundings of many places are asked for.

    Parameters
    ----------
    catalog : photometry.files.catalog.Catalog
    """

    catalog: Catalog

    @cached_property
    def _tree(self):
        """Directions of the stars with a known place, and their rows."""
        from scipy.spatial import cKDTree
        stars = self.catalog.stars
        known = np.flatnonzero(np.isfinite(stars['ra']) & np.isfinite(stars['decl']))
        return cKDTree(unit_vectors(stars['ra'][known], stars['decl'][known])), known

    def around(self, wcs, limits, reach=REACH) -> Catalog:
        """The same catalogue with the stars on some pixels and around them alone.

        Parameters
        ----------
        wcs : astropy.wcs.WCS
            Zero-based, of the whole FFI.
        limits : Stamp
            At most some hundred pixels wide.
        reach : int
            Pixels around them that are included, at least.
        """
        outline = unit_vectors(*wcs_file.footprint(wcs, limits.grown(*[reach] * 4)).T)
        middle = outline.mean(axis=0)
        middle /= np.linalg.norm(middle)
        tree, known = self._tree
        near = tree.query_ball_point(middle, np.linalg.norm(outline - middle, axis=1).max())
        return replace(self.catalog, stars=self.catalog.stars[np.sort(known[near])])
