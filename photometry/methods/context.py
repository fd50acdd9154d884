"""What one worker keeps open between stars: cubes, catalogues, PRFs, tiles."""

from __future__ import annotations

import functools
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from photometry import cli
from photometry import settings as settings_module
from photometry.algorithms import prf as prf_model
from photometry.algorithms import timing
from photometry.algorithms.crossings import Crossings
from photometry.catalogs.nearby import Nearby
from photometry.core import plugins, starids, tiles
from photometry.core.errors import IncompatibleError, InputBadError
from photometry.files import ephemeris, moving_objects, paths, prf, schema, spice
from photometry.files import wcs as wcs_file
from photometry.files.lightcurve_writer import LightcurveWriter
from photometry.methods import finding
from photometry.methods import tile as tile_module
from photometry.methods.finding import MissingFileError
from photometry.methods.open_source import OpenSource

logger = logging.getLogger(__name__)

CACHE_SIZES = {'none': 1, 'basic': 16, 'full': 256}
"""Tiles that stay in memory, by the documented words for ``cache``."""

TARGETS = 2
"""Target pixel files that stay in memory, some 100 MB each, at 20 s six times that."""


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
        self._crossings = {}
        self._targets = OrderedDict()
        self._found = {}
        self._prfs = {}
        self._plugins = plugins.Registry()

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
    def moving_objects(self):
        """`photometry.files.moving_objects.MovingObjects` of the settings; None where none are named."""
        path = self.settings.flags.moving_objects
        return moving_objects.read_moving_objects(path) if path else None

    def crossings(self, source):
        """`photometry.algorithms.crossings.Crossings` of a source, kept; None where no table is named."""
        if self.moving_objects is None:
            return None
        if id(source) not in self._crossings:
            pixels = source.pixels
            self._crossings[id(source)] = Crossings.of(
                self.moving_objects.tracks, pixels.time - pixels.timecorr,
                functools.partial(wcs_file.sky_to_pixel, source.wcs), pixels.limits)
        return self._crossings[id(source)]

    @cached_property
    def lightcurves(self):
        """`~photometry.files.lightcurve_writer.LightcurveWriter` as the settings want it."""
        wanted = self.settings.lightcurve
        compress = wanted.compress or wanted.layout == 'tasoc'  # the established name ends in .gz
        return LightcurveWriter(wanted.layout, compress, self.options.source_date_epoch,
                                self.settings.hlsp)

    @cached_property
    def software(self):
        """Version of the program."""
        return cli.version()

    @cached_property
    def settings_digest(self):
        """Settings that matter to a light curve as JSON, and their SHA-256."""
        return schema.settings_digest(self.settings.sections('photometry', 'aperture', 'lightcurve'))

    @cached_property
    def method_names(self):
        """Names of the methods that are registered."""
        return self._plugins.names(plugins.METHODS)

    def method(self, name):
        """The class registered for a method, kept: a look-up takes longer than a star's sums."""
        if name not in self._methods:
            self._methods[name] = self._plugins.load(plugins.METHODS, name)
        return self._methods[name]

    def close(self):
        """Close all files."""
        self.clear_cache()
        for source in self._sources.values():
            source.pixels.close()
        self._sources.clear()
        self._targets.clear()
        self._spacecraft.clear()
        self._crossings.clear()
        self._catalogs.clear()

    def clear_cache(self):
        """Forget the tiles."""
        self._tiles.clear()

    def add_source(self, key, pixels, catalog, catalog_path=None):
        """Offer a source that is already open, such as one in memory."""
        self._sources[str(key)] = OpenSource(pixels, catalog, catalog_path, self.settings.photometry.prf,
                                             self._official_prf)
        return self._sources[str(key)]

    def source(self, task) -> OpenSource:
        """The source that holds a star.

        Raises
        ------
        MissingFileError
            When there are no pixels or no catalogue for the star's CCD.
        AmbiguousSourceError
            When the task leaves open which sector or cadence is meant.
        InputBadError
            When the target pixel file is that of another star, or the catalogue of another sky.
        """
        if finding.target_of(task) is not None:
            return self._target(task)
        if task.cube in self._sources:
            return self._sources[task.cube]
        candidates = [self._open(path, task) for path in self._cube_paths(task)]
        if task.cube is None and task.cadence is not None:
            candidates = finding.of_cadence(candidates, task)
        if len(candidates) == 1:
            return candidates[0]
        holding = [source for source in candidates if task.starid in source.starid]
        finding.refuse_ambiguous(holding, task)
        return max(holding or candidates[:1], key=lambda source: finding.preference(source, task.starid))

    def _target(self, task):
        """The source of a target pixel file; only the latest few stay open."""
        path = task.cube
        if path not in self._sources:
            path = finding.target_path(self.options.input_folder, task)
        source, wanted = self._open(path, task), finding.target_of(task)
        if source.pixels.starid != wanted:
            raise InputBadError(f'{source.pixels.path} is the target pixel file of '
                                f'{starids.name(source.pixels.starid)}, not of {starids.name(wanted)}; '
                                'make the todo list anew.')
        self._targets[path] = None
        self._targets.move_to_end(path)
        while len(self._targets) > TARGETS:
            self._forget(self._targets.popitem(last=False)[0])
        return source

    def _forget(self, path):
        """Close a source and drop all that was made of it."""
        source = self._sources.pop(path)
        self._spacecraft.pop(id(source), None)
        self._crossings.pop(id(source), None)
        for key in [key for key in self._tiles if key[0] == id(source)]:
            del self._tiles[key]
        source.pixels.close()

    def _cube_paths(self, task):
        return finding.cube_paths(self.options.input_folder, task)

    def _open(self, path, task):
        if path not in self._sources:
            kind = self._plugins.load(plugins.SOURCES, task.datasource.partition(':')[0])
            pixels = kind(Path(self.options.input_folder) / path)
            nearby, catalog_path = self._catalog(pixels.info)
            source = self.add_source(path, pixels, nearby.catalog, catalog_path)
            if pixels.starid is not None:
                try:
                    source.narrow(nearby)
                except InputBadError:
                    del self._sources[path]
                    raise
                self._borrow_wing(source)
        return self._sources[path]

    def _borrow_wing(self, source):
        """Give a target pixel file the wing that a cube of its CCD shows, a whole one first."""
        info = source.pixels.info
        found = self._files_of(paths.find_cubes, info)
        if found:
            try:
                source.borrow_wing(min(found, key=lambda item: (item.is_cutout, item.path)).path)
            except (InputBadError, IncompatibleError) as error:
                logger.warning('%s is measured without a wing: %s', source.pixels.path, error)

    def _catalog(self, info):
        """The catalogue of a CCD, kept, and its path."""
        from photometry.files import catalog as catalog_file
        found = self._files_of(paths.find_catalogs, info)
        if not found:
            raise MissingFileError(
                f'No catalogue {paths.catalog_name(info.sector, info.camera, info.ccd)} lies below '
                f'{self.options.input_folder}; run run_make_catalog.py {info.sector}.')
        path = found[0].path
        if path not in self._catalogs:
            self._catalogs[path] = Nearby(catalog_file.read_catalog(path))
        return self._catalogs[path], path

    def _files_of(self, find, info):
        """Files of a CCD below the input directory, kept: ten thousand others may lie there."""
        key = find, info.sector, info.camera, info.ccd
        if key not in self._found:
            self._found[key] = find(self.options.input_folder, *key[1:])
        return self._found[key]

    def _official_prf(self, *ccd):
        """`~photometry.algorithms.prf.PRF` of (sector, camera, CCD) without a wing, kept."""
        key = (prf.epoch(ccd[0]), *ccd[1:])
        if key not in self._prfs:
            self._prfs[key] = prf_model.PRF(prf.load_prf(*ccd))
        return self._prfs[key]

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
