"""The photometry of one star: pixels, catalogue and motion for a method to work with."""

from __future__ import annotations

import contextlib
import logging
import shutil
from dataclasses import asdict, is_dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from photometry.algorithms import masks, metrics, timing
from photometry.core import plugins, starids
from photometry.core.errors import NoFluxError, NoGoodCadencesError, OffSiliconError
from photometry.core.stamp import Stamp
from photometry.core.status import STATUS
from photometry.core.task import Task
from photometry.files import atomic, paths
from photometry.methods import context as context_module
from photometry.methods import output, tables
from photometry.pixels.cutout import Cutout, frames

logger = logging.getLogger(__name__)


class BasePhotometry:
    """Photometry of a star, to be completed by `do_photometry`.

    The names, arguments and meanings are documented in
    docs/reference/basephotometry.md. Rows and columns are zero-based.

    Parameters
    ----------
    starid : int
        TIC number.
    input_folder, output_folder : path-like
    datasource : str
        Registered source of pixels, or ``tpf:<TIC>`` for the target pixel file of another star.
    sector, camera, ccd, cadence : int, optional
        Camera and CCD are needed with ``ffi``, others to choose among several; seconds.
    plot : bool
    cache : {'none', 'basic', 'full'}
        Size of the cache of tiles.
    version : int
        Data version for header and file name.

    Raises
    ------
    NotInCatalogError
        When the star has no row in the catalogue.
    FileNotFoundError
        When there is no cube or no catalogue (as `MissingFileError`).
    ValueError
        For an unknown datasource, or without camera and CCD for ``ffi``.
    OffSiliconError, NoGoodCadencesError
        When there is nothing to measure.
    """

    method = 'base'

    def __init__(self, starid, input_folder, output_folder, datasource='ffi', sector=None, camera=None,
                 ccd=None, cadence=None, plot=False, cache='basic', version=6):
        if datasource.partition(':')[0] not in plugins.names(plugins.SOURCES):
            raise ValueError(f'{datasource!r} is no source of pixels; known are '
                             f'{", ".join(plugins.names(plugins.SOURCES))}.')
        if datasource == 'ffi' and (camera is None or ccd is None):
            raise ValueError('camera and ccd are needed with the datasource ffi.')
        if cache not in context_module.CACHE_SIZES:
            raise ValueError(f"cache must be 'none', 'basic' or 'full', not {cache!r}.")
        options = context_module.JobOptions(str(input_folder), str(output_folder), version=version,
                                            plot=plot, cache=cache)
        task = Task(int(starid), sector, camera, ccd, cadence, datasource)
        with contextlib.ExitStack() as opened:
            self._own_context = opened.enter_context(context_module.WorkerContext(options))
            self._begin(task, self._own_context)
            opened.pop_all()

    @classmethod
    def from_task(cls, task, context):
        """The photometry of a task, with the open files of a worker.

        Parameters
        ----------
        task : photometry.core.task.Task
        context : photometry.methods.context.WorkerContext
        """
        made = cls.__new__(cls)
        made._own_context = None
        made._begin(task, context)
        return made

    def _begin(self, task, context):
        self.context = context
        self.source = context.source(task)
        info = self.source.pixels.info
        self.task = task
        self.starid = task.starid
        self.datasource = task.datasource
        self.input_folder = context.options.input_folder
        self.output_folder = context.options.output_folder
        self.plot = context.options.plot or context.settings.lightcurve.plots
        self.version = context.options.version
        self.sector, self.camera, self.ccd = info.sector, info.camera, info.ccd
        self.cadence, self.data_rel, self.n_readout = info.cadence, info.data_rel, info.n_readout
        self.additional_headers, self.details, self.errors, self.skip_targets = {}, {}, [], set()
        self.final_phot_mask = self.final_position_mask = None
        self._status = STATUS.UNKNOWN
        self._find_target()
        self._cutout = Cutout(self.tile.pixels, self._first_stamp())

    def _find_target(self):
        index = self.source.index_of(self.starid)
        row = self.source.catalog.stars[index]
        self.catalog_index = index
        self.target = dict(zip(row.dtype.names, row.item(), strict=True))
        self.target_pos_row, self.target_pos_column = (float(axis[index]) for axis in self.source.positions)
        limits = self.source.pixels.limits
        if not limits.contains(self.target_pos_row, self.target_pos_column):
            raise OffSiliconError(
                f'{starids.name(self.starid)} lies at row {self.target_pos_row:.1f}, column '
                f'{self.target_pos_column:.1f}, outside the pixels of {self.source.pixels.path}.')
        good = self.source.pixels.good
        if good.sum() < max(2, self.settings.photometry.good_fraction * good.size):
            raise NoGoodCadencesError(f'{self.source.pixels.path} has only {good.sum()} good cadences '
                                      f'of {good.size}; see photometry.good_fraction in the settings.')

    def _first_stamp(self):
        if self.source.pixels.starid is not None:
            return self.source.pixels.limits  # a target pixel file holds few pixels, chosen for its star
        height, width = self.default_stamp()
        return Stamp.around(self.target_pos_row, self.target_pos_column,
                            height, width).clipped(self.source.pixels.limits)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Close the files, unless a worker owns them."""
        if self._own_context:
            self._own_context.close()

    def clear_cache(self):
        """Forget the pixels of the stamp, and the tiles of a context of its own."""
        self.tile.release()
        self._cutout = Cutout(self.tile.pixels, self._cutout.stamp)
        if self._own_context:
            self._own_context.clear_cache()

    def default_stamp(self):
        """Rows and columns of the first stamp, more for bright stars; of a target pixel file all are used."""
        return masks.stamp_size(self.target['tmag'])

    def resize_stamp(self, down=None, up=None, left=None, right=None, width=None, height=None):
        """Extend the stamp by pixels on its sides, or set its size around the target.

        ``width`` overrules ``left`` and ``right``, ``height`` overrules ``down`` and ``up``.

        Returns
        -------
        bool
            True when the stamp changed, False when the limits of the source forbid it.
        """
        stamp = self._cutout.stamp
        if height is None:
            rows = stamp.row_min - (down or 0), stamp.row_max + (up or 0)
        else:
            rows = Stamp.around(self.target_pos_row, 0, height, 1)[:2]
        if width is None:
            columns = stamp.col_min - (left or 0), stamp.col_max + (right or 0)
        else:
            columns = Stamp.around(0, self.target_pos_column, 1, width)[2:]
        wanted = Stamp(*rows, *columns).clipped(self.source.pixels.limits)
        if wanted == stamp or 0 in wanted.shape:
            return False
        self._cutout = Cutout(self.tile.pixels, wanted)
        self.final_phot_mask = self.final_position_mask = None  # they were masks of the former stamp
        self.details['stamp_resizes'] = self.details.get('stamp_resizes', 0) + 1
        return True

    def get_pixel_grid(self):
        """One-based columns and rows of all pixels of the stamp, as two arrays (rows, columns)."""
        stamp = self._cutout.stamp
        return np.meshgrid(np.arange(stamp.col_min + 1, stamp.col_max + 1),
                           np.arange(stamp.row_min + 1, stamp.row_max + 1))

    @property
    def stamp(self):
        """`Stamp` (row_min, row_max, col_min, col_max), half-open."""
        return self._cutout.stamp

    @property
    def target_pos_row_stamp(self):
        """Row of the target in the stamp."""
        return self.target_pos_row - self.stamp.row_min

    @property
    def target_pos_column_stamp(self):
        """Column of the target in the stamp."""
        return self.target_pos_column - self.stamp.col_min

    @property
    def cutout(self):
        """`~photometry.pixels.cutout.Cutout` of the present stamp."""
        return self._cutout

    @cached_property
    def tile(self):
        """`~photometry.methods.tile.TileContext` that holds the star."""
        return self.context.tile(self.source, self.target_pos_row, self.target_pos_column)

    @cached_property
    def columns(self):
        """Columns of the light curve that a method fills; times, flags and motion stand in them.

        `photometry.methods.tables.Columns`: indexed by name as `lightcurve`, which shows the same.
        """
        pixels = self.source.pixels
        time, timecorr = timing.times_at(pixels.time - pixels.timecorr, self.target['ra'],
                                         self.target['decl'], self.context.spacecraft(self.source))
        down, right = self.MovementKernel.shift(self.target_pos_row, self.target_pos_column)
        return tables.empty_columns(time, timecorr, pixels, right, down)

    @property
    def lightcurve(self):
        """The same as an `astropy.table.Table`, made when first asked for."""
        return self.columns.table

    @property
    def images_cube(self):
        """Background-subtracted images, (rows, columns, times), e-/s."""
        return self._cutout.images_cube

    @property
    def images_err_cube(self):
        """Standard errors of the images, (rows, columns, times), e-/s."""
        return self._cutout.images_err_cube

    @property
    def backgrounds_cube(self):
        """Backgrounds that were subtracted, (rows, columns, times), e-/s."""
        return self._cutout.backgrounds_cube

    @property
    def pixelflags_cube(self):
        """`~photometry.core.quality.PixelFlag` bits, (rows, columns, times)."""
        return self._cutout.pixelflags_cube

    @property
    def images(self):
        """Iterator over the images, (rows, columns) each."""
        return frames(self.images_cube)

    @property
    def images_err(self):
        """Iterator over the standard errors, (rows, columns) each."""
        return frames(self.images_err_cube)

    @property
    def backgrounds(self):
        """Iterator over the backgrounds, (rows, columns) each."""
        return frames(self.backgrounds_cube)

    @property
    def pixelflags(self):
        """Iterator over the pixel flags, (rows, columns) each."""
        return frames(self.pixelflags_cube)

    @property
    def sumimage(self):
        """Mean of the good images, (rows, columns), e-/s."""
        return self._cutout.sumimage

    @property
    def catalog(self):
        """`astropy.table.Table` of the stars in the stamp, in the reference frame."""
        return tables.stars_table(self.source, self.stamp, *self.source.positions)

    def catalog_attime(self, time):
        """The same table with positions at a time (spacecraft BTJD: TIME - TIMECORR)."""
        return tables.stars_table(self.source, self.stamp,
                                  *self.MovementKernel.interpolate(time, *self.source.positions))

    @property
    def aperture(self):
        """`~photometry.core.quality.ApertureFlag` bits of the stamp, (rows, columns)."""
        return tables.aperture_bits(self._cutout, self.final_phot_mask, self.final_position_mask)

    @property
    def MovementKernel(self):
        """`~photometry.pixels.movement.MovementKernel`."""
        return self.source.motion

    @property
    def wcs(self):
        """`astropy.wcs.WCS` of the reference frame, zero-based on the whole FFI."""
        return self.source.wcs

    @property
    def psf(self):
        """`~photometry.algorithms.prf.PRF` of the CCD."""
        return self.source.prf

    @property
    def header(self):
        """Facts about the images by name, as the cube keeps them."""
        info = self.source.pixels.info
        return asdict(info) if is_dataclass(info) else dict(vars(info))

    @property
    def settings(self):
        """`photometry.settings.Settings`."""
        return self.context.settings

    @property
    def status(self):
        """`STATUS` of the photometry."""
        return self._status

    @property
    def plot_folder(self):
        """Directory for the plots of this star, made when plots are wanted; else None."""
        if not self.plot:
            return None
        folder = paths.plot_folder(self.starid, round(self.cadence))
        return str(atomic.make_directory(Path(self.output_folder) / folder))

    def delete_plots(self):
        """Delete all files in `plot_folder`, if plots are wanted."""
        if self.plot:
            shutil.rmtree(self.plot_folder)

    def median_flux(self):
        """Median of the flux in good cadences, e-/s."""
        return metrics.median(metrics.finite(self.columns['flux'][self.source.pixels.good]))

    def report_details(self, error=None, skip_targets=None):
        """Leave a remark, or the stars that this light curve delivers as well, for the queue."""
        if error is not None:
            logger.info('%s: %s', starids.name(self.starid), error)
            self.errors.append(str(error))
        if skip_targets is not None:
            self.skip_targets.update(int(starid) for starid in skip_targets if starid != self.starid)

    def do_photometry(self):
        """Fill `lightcurve`; a method writes this one.

        Returns
        -------
        STATUS
        """
        raise NotImplementedError(f'{type(self).__name__} has no do_photometry.')

    def photometry(self, *args, **kwargs):
        """Run `do_photometry`, check what came of it and compute the metrics.

        Returns
        -------
        STATUS

        Raises
        ------
        PhotometryError
            By the reason why the star cannot be measured.
        """
        self._status = STATUS.ERROR
        status = self.do_photometry(*args, **kwargs)
        self._check_lightcurve()
        stamp, table, good = self.stamp, self.columns, self.source.pixels.good
        self.details.setdefault('stamp_resizes', 0)
        self.details |= metrics.summary(table['time'], table['flux'], table['flux_err'], good)
        self.details |= {'stamp_height': stamp.height, 'stamp_width': stamp.width,
                         'pos_row': self.target_pos_row + 1, 'pos_column': self.target_pos_column + 1}
        self._status = status
        return status

    def _check_lightcurve(self):
        good = self.source.pixels.good
        flux, err = (self.columns[name][good] for name in ('flux', 'flux_err'))
        usable = np.isfinite(flux) & (err > 0) & np.isfinite(err)
        if usable.sum() < max(2, self.settings.photometry.good_fraction * usable.size):
            raise NoFluxError(f'{starids.name(self.starid)}: '
                              f'of {usable.size} good cadences only {usable.sum()} have '
                              'a flux with an error.')
        if not flux[usable].any():
            raise NoFluxError(f'{starids.name(self.starid)}: the flux is zero in every cadence.')

    def save_lightcurve(self, output_folder=None, version=None):
        """Write the light curve to its file.

        Returns
        -------
        str
            Path of the file.
        """
        return str(output.save(self, output_folder or self.output_folder,
                               self.version if version is None else version))
