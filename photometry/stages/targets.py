"""Which stars of a catalogue the targets of a list are, and positions that become stars of their own."""

from __future__ import annotations

import logging

import numpy as np

from photometry.algorithms.sky import Region
from photometry.catalogs import same_sky
from photometry.core import ranks, starids
from photometry.core.coordinates import unit_vectors
from photometry.core.errors import InputMissingError
from photometry.files import catalog as catalog_file
from photometry.files import paths

logger = logging.getLogger(__name__)

SAME = 3.0
"""Distance from a star within which a position means that star, arcsec; a seventh of a pixel."""


def numbers_among(targets, stars) -> np.ndarray:
    """The star of a catalogue that each target is.

    Parameters
    ----------
    targets : photometry.files.targets.Targets
    stars : structured array
        Of a catalogue.

    Returns
    -------
    (targets,) int64
        Numbers; 0 where the catalogue has none. A position is the nearest star within `SAME` at epoch
        2000 or at that of the observation.
    """
    known = np.isin(targets.starid, stars['starid'])
    numbers = np.where(known, targets.starid, 0)
    places = np.flatnonzero(targets.starid == 0)
    if not (places.size and len(stars)):
        return numbers
    wanted = unit_vectors(targets.ra[places], targets.dec[places])
    nearest = np.full(places.size, np.deg2rad(SAME / 3600))
    for names in (('ra_J2000', 'decl_J2000'), ('ra', 'decl')):
        distance, index = _nearest(unit_vectors(*(np.nan_to_num(stars[name]) for name in names)), wanted)
        closer = distance < nearest
        numbers[places[closer]] = stars['starid'][index[closer]]
        nearest[closer] = distance[closer]
    return numbers


def _nearest(vectors, wanted):
    """Chord to the nearest of some directions, and its number."""
    from scipy.spatial import cKDTree
    return cKDTree(vectors).query(wanted)


def enter_positions(path, targets) -> int:
    """Give positions where a catalogue has no star a row of their own, without a magnitude.

    Parameters
    ----------
    path : path-like
        Catalogue; positions outside its outline are not for it.
    targets : photometry.files.targets.Targets

    Returns
    -------
    int
        How many are new.
    """
    info, places = catalog_file.read_info(path), np.flatnonzero(targets.starid == 0)
    covered = Region(same_sky.polygons(info.footprint), info.coord_buffer)
    places = places[covered.contains(targets.ra[places], targets.dec[places])] if places.size else places
    if not places.size:
        return 0
    free = places[numbers_among(targets, catalog_file.read_catalog(path).stars)[places] == 0]
    stars = np.zeros(free.size, catalog_file.STAR_DTYPE)
    stars['starid'] = starids.of_position(targets.ra[free], targets.dec[free])
    for name, values in (('ra', targets.ra), ('decl', targets.dec)):
        stars[name] = stars[f'{name}_J2000'] = values[free]
    for name in ('pm_ra', 'pm_decl', 'tmag', 'teff'):
        stars[name] = np.nan
    new = catalog_file.add_positions(path, stars[np.unique(stars['starid'], return_index=True)[1]])
    logger.info('%s: positions without a star that are now in it: %d.', path, new)
    return new


def enter_where_catalogs_stand(folder, sector, targets, camera=None, ccd=None, rank=ranks.ALONE) -> bool:
    """Enter positions into the catalogues of a sector that stand; whether there are any.

    Parameters
    ----------
    folder : path-like
    sector : int
    targets : photometry.files.targets.Targets
    camera, ccd : int or sequence of int, optional
        Filters.
    rank : photometry.core.ranks.Rank
        Which share of the catalogues this process takes.
    """
    standing = paths.find_catalogs(folder, sector, camera, ccd)
    for item in rank.share(standing):
        enter_positions(item.path, targets)
    return bool(standing)


def in_catalogs(folder, targets, sector=None, camera=None, ccd=None) -> dict:
    """The targets of every catalogue below a directory that has some.

    Returns
    -------
    dict
        (sector, camera, ccd) -> numbers of stars, (n,) int64.
    """
    found = {}
    for item in paths.find_catalogs(folder, sector, camera, ccd):
        numbers = numbers_among(targets, catalog_file.read_catalog(item.path).stars)
        if numbers.any():
            found[item.ccd_key] = numbers[numbers != 0]
    return found


def star_numbers(folder, targets) -> frozenset:
    """Numbers of all targets, those of positions by the catalogues below a directory.

    Raises
    ------
    InputMissingError
        When there are positions only, and no catalogue has a star there.
    """
    found = {starid for starid in targets.starid.tolist() if starid}
    if not targets.starid.all():
        for numbers in in_catalogs(folder, targets).values():
            found.update(numbers.tolist())
    if not found:
        raise InputMissingError(f'No catalogue below {folder} has a star at a position of {targets.path}; '
                                'enter them with run_make_catalog.py --targets.')
    return frozenset(found)
