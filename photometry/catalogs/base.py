"""What every source of stars shares: from its rows to the rows of a catalogue."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from photometry.algorithms import sky
from photometry.core.errors import InputBadError
from photometry.files.catalog import STAR_DTYPE

J2000 = 2000.0

MOVED = 0.1
"""How far the fastest stars move between the epoch of the catalogue and that of the images, deg."""


class CatalogSource(ABC):
    """Where stars come from.

    A subclass has a class word ``name`` and writes two verbs: `query` and
    `inputs`. It is registered under its name as an entry point of the group
    ``tessphot.catalogs``.

    Parameters
    ----------
    path : path-like, optional
        What ``--catalog`` names, for sources that read files.
    """

    name = ''

    def __init__(self, path=None):
        self.path = path

    @classmethod
    def opened(cls, path, archives) -> CatalogSource:
        """The source as a program asks for it.

        Parameters
        ----------
        path : path-like or None
            What ``--catalog`` names.
        archives : photometry.files.archives.Archives
            For sources in the network.
        """
        return cls(path)

    @property
    def ticver(self) -> str:
        """Version of the TIC behind the source, '' when unknown."""
        return ''

    @property
    def label(self) -> str:
        """What messages call the source."""
        return str(self.path or self.name)

    @abstractmethod
    def query(self, region, faint_limit):
        """Stars in and around a region, more than fit being allowed.

        Parameters
        ----------
        region : photometry.algorithms.sky.Region
        faint_limit : float
            Tmag of the faintest star that is wanted.

        Returns
        -------
        object
            With arrays of one length: ``starid``, ``gaia`` (int64), ``ra``, ``dec``
            (deg at ``epoch``, Julian years), ``pm_ra`` (with cos dec), ``pm_decl``
            (mas/yr), ``tmag``, ``teff``; unknown numbers NaN, unknown Gaia numbers 0.
        """

    @abstractmethod
    def inputs(self, region):
        """Manifest of what the stars of a region come from: tuple of `files.schema.InputFile`."""

    def stars(self, region, epoch, faint_limit, where=''):
        """Rows of a catalogue for a region.

        Positions are moved to the epoch of observation before the region
        decides, so that fast stars are judged where they are.

        Parameters
        ----------
        region : photometry.algorithms.sky.Region
        epoch : float
            Julian year of the observation.
        faint_limit : float
            Tmag.
        where : str
            What messages call the region.

        Returns
        -------
        structured array
            `files.catalog.STAR_DTYPE` and ``gaia``, sorted by ``starid``.

        Raises
        ------
        InputBadError
            When no star lies in the region or all are too faint.
        """
        found = self.query(region, faint_limit)
        ra, dec = sky.move(found.ra, found.dec, found.pm_ra, found.pm_decl, epoch - found.epoch)
        inside = region.contains(ra, dec)
        if not inside.any():
            raise InputBadError(f'{self.label} has no star on {where or "the region"}; give a table of that '
                                'part of the sky, with positions in degrees.')
        chosen = inside & (found.tmag <= faint_limit)
        if not chosen.any():
            raise InputBadError(f'{self.label}: none of {int(inside.sum())} stars on {where or "the region"} '
                                f'is brighter than Tmag {faint_limit:g}; raise --faint-limit.')
        return _rows(found, np.flatnonzero(chosen), ra, dec)


def _rows(found, chosen, ra, dec):
    chosen = chosen[np.argsort(found.starid[chosen], kind='stable')]
    stars = np.zeros(chosen.size, dtype=[*STAR_DTYPE.descr, ('gaia', 'i8')])
    for name in ('starid', 'gaia', 'pm_ra', 'pm_decl', 'tmag', 'teff'):
        stars[name] = getattr(found, name)[chosen]
    stars['ra'], stars['decl'] = ra[chosen], dec[chosen]
    stars['ra_J2000'], stars['decl_J2000'] = sky.move(
        found.ra[chosen], found.dec[chosen], stars['pm_ra'], stars['pm_decl'], J2000 - found.epoch[chosen])
    return stars
