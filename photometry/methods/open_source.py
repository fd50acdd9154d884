"""An open source of pixels with what follows from it and its catalogue alone."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from photometry.algorithms import prf as prf_model
from photometry.algorithms import wing as wing_model
from photometry.catalogs import same_sky
from photometry.core import starids
from photometry.core.errors import NotInCatalogError, OffSiliconError, UsageError
from photometry.files import cube, lightcurve_writer, prf, schema
from photometry.files import wcs as wcs_file
from photometry.files.schema import InputFile
from photometry.pixels import movement

logger = logging.getLogger(__name__)

PRF_MODELS = ('prf', 'epsf')
"""Words for ``photometry.prf``: the official PRF, or the one learned from the cube's stars."""


class OpenSource:
    """A source of pixels together with what follows from it and its catalogue alone.

    Parameters
    ----------
    pixels : photometry.pixels.base.PixelSource
    catalog : photometry.files.catalog.Catalog
    catalog_path : path-like, optional
    model : str
        One of `PRF_MODELS`.
    official : callable, optional
        Gives the official `~photometry.algorithms.prf.PRF` of (sector, camera, CCD) without a wing.

    Raises
    ------
    UsageError
        When there is no such model.
    """

    def __init__(self, pixels, catalog, catalog_path=None, model='prf', official=None):
        if model not in PRF_MODELS:
            raise UsageError(f'photometry.prf = {model!r} is unknown; known are {", ".join(PRF_MODELS)}.')
        self.pixels = pixels
        self.catalog = catalog
        self._model = model
        self._official = official or (lambda *ccd: prf_model.PRF(prf.load_prf(*ccd)))
        self._whole = self._borrowed = None
        self._files = [Path(path) for path in (pixels.path, catalog_path) if path is not None]

    def narrow(self, nearby):
        """Keep of the catalogue what matters to a few pixels, once it is sure that both show the same sky.

        Parameters
        ----------
        nearby : photometry.catalogs.nearby.Nearby

        Raises
        ------
        InputBadError
            When the pixels have no WCS, or the catalogue is of another part of the sky.
        """
        limits, path = self.pixels.limits, self.pixels.path
        same_sky.require_same_sky(self._files[-1], nearby.catalog, self.wcs, limits, path)
        self._whole, self.catalog = nearby.catalog, nearby.around(self.wcs, limits)

    def borrow_wing(self, path):
        """Take the wing of the stars from a cube of the same CCD: a few pixels do not show it.

        Parameters
        ----------
        path : path-like
        """
        with cube.CubeFile(path) as made:
            self._borrowed = made.star_wing
        self._files.append(Path(path))

    @cached_property
    def inputs(self):
        """`photometry.files.schema.InputFile` of pixels and catalogue, and of what was borrowed from."""
        return [InputFile(path.name, path.stat().st_size) for path in self._files if path.is_file()]

    @cached_property
    def manifest(self):
        """The same as JSON."""
        return schema.manifest_json(self.inputs)

    @cached_property
    def stamp_headers(self):
        """`~photometry.files.lightcurve_writer.StampHeaders` of the reference frame."""
        return lightcurve_writer.StampHeaders(self.pixels.wcs_text)

    @cached_property
    def wcs(self):
        """`astropy.wcs.WCS` of the reference frame, zero-based on the whole FFI."""
        return wcs_file.wcs_from_text(self.pixels.wcs_text, str(self.pixels.path))

    @cached_property
    def motion(self):
        """`~photometry.pixels.movement.MovementKernel`."""
        time = self.pixels.time - self.pixels.timecorr
        return movement.MovementKernel(self.pixels.movement_kernel, self.pixels.centre, time,
                                       self.pixels.warpmode)

    @cached_property
    def starid(self):
        """Numbers of all catalogue stars, sorted."""
        return np.ascontiguousarray(self.catalog.stars['starid'])

    @cached_property
    def tmag(self):
        """TESS magnitudes of all catalogue stars."""
        return np.ascontiguousarray(self.catalog.stars['tmag'])

    @cached_property
    def positions(self):
        """(row, column) of all catalogue stars in the reference frame, zero-based."""
        return wcs_file.sky_to_pixel(self.wcs, self.catalog.stars['ra'], self.catalog.stars['decl'])

    @cached_property
    def mean_positions(self):
        """(row, column) of all catalogue stars, averaged over the good frames."""
        kernel = self.motion.filled[self.pixels.good]
        if not len(kernel):
            return self.positions
        mean = replace(self.motion, kernel=kernel.mean(axis=0, keepdims=True), time=np.zeros(1))
        rows, columns = mean.positions(*self.positions)
        return rows[:, 0], columns[:, 0]

    @cached_property
    def measured(self):
        """Part of the good frames whose motion was measured."""
        good = self.pixels.good
        return float(self.motion.known[good].mean()) if good.any() else 0.0

    def index_of(self, starid):
        """Row of a star in the catalogue.

        Raises
        ------
        NotInCatalogError
        """
        index = int(np.searchsorted(self.starid, starid))
        if index == self.starid.size or self.starid[index] != starid:
            info = self.pixels.info
            if self._whole is not None and self._whole.index(starid) >= 0:
                raise OffSiliconError(f'{starids.name(starid)} '
                                      f'lies far from the pixels of {self.pixels.path}.')
            raise NotInCatalogError(
                f'{starids.name(starid)} is not in the catalogue of sector {info.sector}, camera '
                f'{info.camera}, CCD {info.ccd}; make the catalogue again with a fainter limit or '
                'a wider buffer.')
        return index

    @property
    def prf_kind(self):
        """Which of `PRF_MODELS` is in use; the official one where the cube has no other."""
        return 'epsf' if self._model == 'epsf' and self.pixels.psf is not None else 'prf'

    @cached_property
    def prf(self):
        """`~photometry.algorithms.prf.PRF` of the CCD, with the wing that the mean image shows."""
        if self.prf_kind == 'epsf':
            learned = self.pixels.psf
            return prf_model.PRF(learned, prf_model.Wing(*learned.wing) if learned.wing else None)
        info = self.pixels.info
        core = self._official(info.sector, info.camera, info.ccd)
        wing = self._wing(core)
        logger.debug('Wing of %s: %s', self.pixels.path, wing)
        return core.with_wing(wing)

    def _wing(self, core):
        known = self._borrowed if self._borrowed is not None else self.pixels.star_wing
        if known is not None:
            return prf_model.Wing(*known) if known else None
        limits = self.pixels.limits
        return wing_model.fit_wing(self.pixels.sumimage(limits), *self.mean_positions, self.tmag, core,
                                   limits[::2])
