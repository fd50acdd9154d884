"""The stars on target pixel files as rows of the todo list: their targets, and others that lie on them."""

from __future__ import annotations

import logging

import numpy as np

from photometry.algorithms import masks, skipping
from photometry.catalogs import same_sky
from photometry.catalogs.nearby import Nearby
from photometry.core import tiles
from photometry.core.coordinates import SCIENCE
from photometry.core.errors import InputBadError
from photometry.files import tpf
from photometry.files import wcs as wcs_file
from photometry.pixels.tpf import TargetPixelSource
from photometry.todo import building

logger = logging.getLogger(__name__)


def stars_of(targets, stars_from, saturated, report):
    """Rows for all catalogue stars on the collected pixels of the target pixel files of one CCD.

    Parameters
    ----------
    targets : list of (int, pathlib.Path)
        Files with their numbers in the list of inputs.
    stars_from : tuple
        Path of the catalogue and the `photometry.files.catalog.Catalog`.
    saturated : ndarray of bool (rows, columns)
        Of the whole FFI; the pixels at full well are entered.
    report : photometry.stages.make_todo.Report

    Yields
    ------
    ndarray of `photometry.todo.building.ROW`
    """
    nearby = Nearby(stars_from[1])
    for number, path in targets:
        try:
            yield _one_file(number, path, stars_from[0], nearby, saturated, report)
        except InputBadError as error:
            report.problems.append(str(error))


def _one_file(number, path, catalog_path, nearby, saturated, report):
    header = tpf.read_tpf_header(path)
    wcs = wcs_file.wcs_from_text(header.wcs_text, path)
    same_sky.require_same_sky(catalog_path, nearby.catalog, wcs, header.stamp, path)
    catalog = nearby.around(wcs, header.stamp)
    row, column = wcs_file.sky_to_pixel(wcs, catalog.stars['ra'], catalog.stars['decl'])
    facts = building.PixelFacts(number, header.stamp, header.cadence, False,
                                np.where(header.collected, 0.0, np.nan), header.starid)
    info = nearby.catalog.info
    found, lost = building.stars_on(facts, catalog.stars, row, column, header.ccd_key,
                                    (info.camera_centre_ra, info.camera_centre_dec))
    report.counts['without data'] += lost
    middle = (np.mean(axis) - 0.5 for axis in (header.stamp[:2], header.stamp[2:]))
    found['tile'] = tiles.tile_number(*middle, SCIENCE)
    if not (found['starid'] == header.starid).any():
        logger.warning('TIC %d, the target of %s, is not listed: the catalogue does not have it on those '
                       'pixels.', header.starid, path)
    if (found['tmag'] < skipping.SATURATING).any():
        pixels = TargetPixelSource(path)
        saturated[pixels.limits.slices()] |= masks.saturated(pixels.sumimage(pixels.limits))
    report.counts['target pixel files'] += 1
    return found
