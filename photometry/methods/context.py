"""What one worker keeps open between stars: cubes, catalogues, PRFs, tiles."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from photometry import settings as settings_module
from photometry.algorithms import prf as prf_model
from photometry.algorithms import timing
from photometry.algorithms import wing as wing_model
from photometry.core import plugins, tiles
from photometry.core.errors import InputMissingError, NotInCatalogError, UsageError
from photometry.files import ephemeris, paths, prf, spice
from photometry.files import wcs as wcs_file
from photometry.files.schema import InputFile
from photometry.methods import tile as tile_module
from photometry.pixels import movement

logger = logging.getLogger(__name__)

PRF_MODELS = ('prf', 'epsf')
"""Words for ``photometry.prf``: the official PRF, or the one learned from the cube's stars."""

CACHE_SIZES = {'none': 1, 'basic': 16, 'full': 256}
"""Tiles that stay in memory, by the documented words for ``cache``."""


class MissingFileError(InputMissingError, FileNotFoundError):
    """No cube or no catalogue lies below the input directory for a star."""


class AmbiguousSourceError(UsageError, ValueError):
    """Cubes of several sectors or cadences hold a star, and nothing says which is meant."""


@dataclass(frozen=True)
class JobOptions:
    """What a worker is told at its start; may be pickled."""

    input_folder: str
    output_folder: str
    settings: settings_module.Settings = field(default_factory=settings_module.load)
    version: int = 6
    """Data version in the names and headers of light curves."""
    plot: bool = False
    overwrite: bool = False
    source_date_epoch: int | None = None
    cache: str = 'basic'


class OpenSource:
    """A source of pixels together with what follows from it and its catalogue alone.

    Parameters
    ----------
    pixels : photometry.pixels.base.PixelSource
    catalog : photometry.files.catalog.Catalog
    catalog_path : path-like, optional
    model : str
        One of `PRF_MODELS`.

    Raises
    ------
    UsageError
        When there is no such model.
    """

    def __init__(self, pixels, catalog, catalog_path=None, model='prf'):
        if model not in PRF_MODELS:
            raise UsageError(f'photometry.prf = {model!r} is unknown; known are {", ".join(PRF_MODELS)}.')
        self.pixels = pixels
        self.catalog = catalog
        self._model = model
        self._files = [Path(path) for path in (pixels.path, catalog_path) if path is not None]

    @cached_property
    def inputs(self):
        """`photometry.files.schema.InputFile` of cube and catalogue, where they are files."""
        return [InputFile(path.name, path.stat().st_size) for path in self._files if path.is_file()]

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
            raise NotInCatalogError(
                f'TIC {starid} is not in the catalogue of sector {info.sector}, camera {info.camera}, '
                f'CCD {info.ccd}; make the catalogue again with a fainter limit or a wider buffer.')
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
        core = prf_model.PRF(prf.load_prf(info.sector, info.camera, info.ccd))
        wing = self._wing(core)
        logger.debug('Wing of %s: %s', self.pixels.path, wing)
        return core.with_wing(wing)

    def _wing(self, core):
        known = self.pixels.star_wing
        if known is not None:
            return prf_model.Wing(*known) if known else None
        limits = self.pixels.limits
        return wing_model.fit_wing(self.pixels.sumimage(limits), *self.mean_positions, self.tmag, core,
                                   limits[::2])


class WorkerContext:
    """Everything a worker shares between the stars it measures; a context manager.

    Parameters
    ----------
    options : JobOptions
    """

    def __init__(self, options):
        self.options = options
        self._sources = {}
        self._catalogs = {}
        self._methods = {}
        self._tiles = OrderedDict()
        self._newest = None
        self._spacecraft = {}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    @property
    def settings(self):
        """`photometry.settings.Settings`."""
        return self.options.settings

    @cached_property
    def ephemeris(self):
        """`photometry.files.ephemeris.Ephemeris` that comes along."""
        return ephemeris.load_ephemeris()

    def ephemeris_over(self, time):
        """`photometry.files.ephemeris.Ephemeris` for some times (BTJD), of the kernels that are set."""
        kernels = self.settings.times.kernels
        if not kernels:
            return self.ephemeris
        return spice.sampled(kernels, *(timing.BTJD + limit(time) for limit in (np.nanmin, np.nanmax)))

    def spacecraft(self, source):
        """Place of the spacecraft in the frames of a source, (times, 3), au; kept for all its stars."""
        if id(source) not in self._spacecraft:
            time = source.pixels.time - source.pixels.timecorr
            table = self.ephemeris_over(time)
            self._spacecraft[id(source)] = timing.spacecraft_position(time, table.jd_tdb, table.position)
        return self._spacecraft[id(source)]

    @cached_property
    def method_names(self):
        """Names of the methods that are registered."""
        return plugins.names(plugins.METHODS)

    def method(self, name):
        """The class registered for a method, kept: a look-up takes longer than a star's sums."""
        if name not in self._methods:
            self._methods[name] = plugins.load(plugins.METHODS, name)
        return self._methods[name]

    def close(self):
        """Close all files."""
        self.clear_cache()
        for source in self._sources.values():
            source.pixels.close()
        self._sources.clear()
        self._spacecraft.clear()
        self._catalogs.clear()

    def clear_cache(self):
        """Forget the tiles."""
        self._tiles.clear()

    def add_source(self, key, pixels, catalog, catalog_path=None):
        """Offer a source that is already open, such as one in memory."""
        self._sources[str(key)] = OpenSource(pixels, catalog, catalog_path, self.settings.photometry.prf)
        return self._sources[str(key)]

    def source(self, task) -> OpenSource:
        """The source that holds a star.

        Raises
        ------
        MissingFileError
            When there is no cube or no catalogue for the star's CCD.
        AmbiguousSourceError
            When the task leaves open which sector or cadence is meant.
        """
        if task.cube in self._sources:
            return self._sources[task.cube]
        candidates = [self._open(path, task) for path in self._cube_paths(task)]
        if task.cube is None and task.cadence is not None:
            candidates = _of_cadence(candidates, task)
        if len(candidates) == 1:
            return candidates[0]
        holding = [source for source in candidates if task.starid in source.starid]
        _refuse_ambiguous(holding, task)
        return max(holding or candidates[:1], key=lambda source: _preference(source, task.starid))

    def _cube_paths(self, task):
        folder = Path(self.options.input_folder)
        if task.cube is not None:
            if task.cube not in self._sources and not (folder / task.cube).is_file():
                raise MissingFileError(f'The cube {folder / task.cube} does not exist; '
                                       'run run_prepare_photometry.py.')
            return [task.cube]
        found = paths.find_cubes(folder, task.sector, task.camera, task.ccd)
        if not found:
            raise MissingFileError(f'No cube of sector {task.sector}, camera {task.camera}, CCD {task.ccd} '
                                   f'lies below {folder}; run run_prepare_photometry.py.')
        return [str(item.path.relative_to(folder)) for item in found]

    def _open(self, path, task):
        if path not in self._sources:
            folder = Path(self.options.input_folder)
            kind = plugins.load(plugins.SOURCES, task.datasource.partition(':')[0])
            pixels = kind(folder / path)
            self.add_source(path, pixels, *self._catalog(pixels.info))
        return self._sources[path]

    def _catalog(self, info):
        from photometry.files import catalog as catalog_file
        folder = Path(self.options.input_folder)
        found = paths.find_catalogs(folder, info.sector, info.camera, info.ccd)
        if not found:
            raise MissingFileError(
                f'No catalogue {paths.catalog_name(info.sector, info.camera, info.ccd)} lies below '
                f'{folder}; run run_make_catalog.py {info.sector}.')
        path = found[0].path
        if path not in self._catalogs:
            self._catalogs[path] = catalog_file.read_catalog(path)
        return self._catalogs[path], path

    def tile(self, source, row, column):
        """The `~photometry.methods.tile.TileContext` of the cell that holds a position."""
        cell = tiles.tile_at(row, column, source.pixels.limits)
        key = (id(source), cell)
        if self._newest is not None and self._newest != key and self._newest in self._tiles:
            self._tiles[self._newest].release()  # pixels of one tile fill enough memory
        self._newest = key
        if key not in self._tiles:
            self._tiles[key] = tile_module.TileContext(source, cell, self.settings)
            while len(self._tiles) > CACHE_SIZES[self.options.cache]:
                self._tiles.popitem(last=False)
        self._tiles.move_to_end(key)
        return self._tiles[key]


def _of_cadence(sources, task):
    found = [source for source in sources if source.pixels.info.cadence == task.cadence]
    if not found:
        raise MissingFileError(f'No cube of camera {task.camera}, CCD {task.ccd} holding TIC {task.starid} '
                               f'has a cadence of {task.cadence} s; name another one.')
    return found


def _refuse_ambiguous(sources, task):
    found = sorted({(source.pixels.info.sector, source.pixels.info.cadence) for source in sources})
    if len(found) > 1:
        words = ', '.join(f'sector {sector} at {cadence:g} s' for sector, cadence in found)
        raise AmbiguousSourceError(f'TIC {task.starid} was observed more than once ({words}); '
                                   'give sector and cadence.')


def _preference(source, starid):
    """Full CCDs first, then the cutout in which the star lies farthest from an edge."""
    limits = source.pixels.limits
    index = source.index_of(starid)
    row, column = (axis[index] for axis in source.positions)
    depth = min(row - limits.row_min, limits.row_max - 1 - row,
                column - limits.col_min, limits.col_max - 1 - column)
    return (not source.pixels.info.is_cutout and depth >= 0, depth)
