"""Simulated fields, from files through the whole pipeline or in memory, and light curves by any method."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import quick_fits

from photometry import settings
from photometry.catalogs.table import TableCatalog
from photometry.core import plugins, quality, tiles
from photometry.core.quality import PixelFlag
from photometry.core.task import Task
from photometry.files import cube_schema, paths, wcs
from photometry.files.catalog import Catalog, CatalogInfo
from photometry.methods.context import JobOptions, WorkerContext
from photometry.simulation.noise import FRAME_TIME, INT_TIME
from photometry.simulation.pointing import Sky
from photometry.simulation.sector import Simulation
from photometry.stages import make_catalog, prepare_photometry, simulate, tessphot

CATALOG = [('starid', 'i8')] + [(name, 'f8') for name in (
    'ra', 'decl', 'ra_J2000', 'decl_J2000', 'pm_ra', 'pm_decl', 'tmag', 'teff')]
AUTOMATIC = 'automatic'
"""The word for tasks without a method."""


@dataclass
class FieldSource:
    """A `photometry.simulation.field.Field` as a `PixelSource`, background and motion as they truly are."""

    field: object
    name: str = 'ffi'
    path: str = 'field.hdf5'
    warpmode: str = 'affine'
    star_wing: tuple | None = None
    psf: object = None
    starid: int | None = None
    aperture: np.ndarray | None = None
    extra_layers: tuple = ()

    def __post_init__(self):
        field, detector = self.field, self.field.detector
        self.limits = field.stamp
        frames = field.times.size
        self.info = cube_schema.CubeInfo(
            sector=field.simulation.plan.sector, camera=field.simulation.plan.camera,
            ccd=field.simulation.plan.ccd, cadence=detector.cadence, rows=self.limits.height,
            columns=self.limits.width, times=frames, row_offset=self.limits.row_min,
            column_offset=self.limits.col_min, is_cutout=True, ref_frame=0, block=32,
            readnoise=detector.readnoise, gain=detector.gain, n_readout=detector.n_readout,
            num_frm=detector.num_frm, exposure=detector.n_readout * INT_TIME, deadc=detector.deadc,
            crmiten=detector.crmiten, crblksz=detector.crblksz, int_time=INT_TIME, frame_time=FRAME_TIME)
        half = detector.cadence / 172800
        self.time, self.time_start, self.time_stop = field.times, field.times - half, field.times + half
        self.timecorr = np.zeros(frames)
        self.cadenceno = np.arange(frames)
        self.quality = np.where(field.clean, field.quality, field.quality | 128)
        self.good = quality.good(self.quality)
        self.wcs_text = _tangent_wcs(self.limits)
        motion = field.simulation.motion
        self.centre = tuple(motion.centre)
        self.movement_kernel = np.concatenate([motion.shift, motion.matrix.reshape(-1, 4)], axis=1)
        self._images = field.images - field.backgrounds
        self._mean = self._images[..., self.good].mean(axis=-1, dtype='f8')

    def read(self, layer, stamp):
        """Pixels of a layer."""
        part = stamp.slices(self.limits[::2])
        if layer == 'images':
            return self._images[part].copy()
        if layer == 'images_err':
            return self.field.errors[part].copy()
        if layer == 'backgrounds':
            return self.field.backgrounds[part].copy()
        flags = np.where(self._images[part] > 20, PixelFlag.NOT_USED_FOR_BACKGROUND, 0).astype('u1')
        flags[self.field.saturated[part]] |= np.uint8(PixelFlag.SATURATED)
        return flags

    def sumimage(self, stamp):
        """Mean of the good images."""
        return self._mean[stamp.slices(self.limits[::2])].copy()

    def close(self):
        """Nothing is open."""


def _tangent_wcs(stamp):
    from astropy.wcs import WCS
    made = WCS(naxis=2)
    made.wcs.ctype, made.wcs.crval = ['RA---TAN', 'DEC--TAN'], [80.0, -45.0]
    made.wcs.crpix = [(stamp.col_min + stamp.col_max + 1) / 2, (stamp.row_min + stamp.row_max + 1) / 2]
    made.wcs.cd = np.array([[-21.0, 0.5], [0.5, 21.0]]) / 3600
    return wcs.wcs_to_text(made)


def catalog_of(field, source):
    """What the catalogue of a field lists."""
    listed = field.stars[field.stars['listed']]
    stars = np.zeros(len(listed), dtype=CATALOG)
    ra, dec = wcs.pixel_to_sky(wcs.wcs_from_text(source.wcs_text), listed['catalog_row'],
                               listed['catalog_column'])
    for name, values in (('starid', listed['starid']), ('ra', ra), ('decl', dec), ('ra_J2000', ra),
                         ('decl_J2000', dec), ('tmag', listed['tmag']), ('teff', 5800.0)):
        stars[name] = values
    info = source.info
    return Catalog(CatalogInfo(info.sector, info.camera, info.ccd, 'simulated'),
                   stars[np.argsort(stars['starid'])])


def simulation_of(plan):
    """The simulation of a plan under its real sky."""
    return Simulation(plan, Sky(plan.sector, plan.camera, plan.ccd))


def prepare_files(plan, folder, chosen, steps=None):
    """Simulated files with their catalogue and cube in a folder; returns the `Simulation`.

    ``steps``, a dictionary, is given the CPU seconds of each step.
    """
    steps, marks = {} if steps is None else steps, [time.process_time()]

    def done(name):
        marks.append(time.process_time())
        steps[name] = marks[-1] - marks[-2]

    simulate.simulate(folder, plan)
    done('simulate')
    make_catalog.make_catalog(folder, plan.sector, TableCatalog(folder / 'stars.ecsv'), chosen.catalog)
    done('catalogue')
    for failure in prepare_photometry.prepare_photometry(folder, chosen).failures:
        raise failure
    done('prepare')
    return simulation_of(plan)


def options(folder, output, chosen=None):
    """What a worker that reads one folder and writes to another is told."""
    return JobOptions(str(folder), str(output), chosen or settings.load(), overwrite=True)


def task_of(star, plan, name, method=None):
    """The task of a star in the cube of a name; AUTOMATIC leaves the method to the photometry."""
    return Task(int(star['starid']), plan.sector, plan.camera, plan.ccd, plan.cadence, cube=name,
                method='' if method == AUTOMATIC else method)


def methods():
    """All methods that are registered, and the automatic choice."""
    return [*plugins.names(plugins.METHODS), AUTOMATIC]


@dataclass(frozen=True)
class Prepared:
    """A field that is ready to be measured: its simulation and a way to open a worker."""

    simulation: object
    open_worker: object
    """``open_worker(output)`` gives a `WorkerContext`."""
    name: str
    """Of the cube."""

    def light_curves(self, wanted):
        """Measure stars, cell after cell, by all methods before the next cell.

        Methods share a cell's scene, as stars do: the first to ask for it pays.

        Parameters
        ----------
        wanted : dict
            Method -> rows of the simulation's table.

        Yields
        ------
        method : str
        star : int
        result : photometry.core.task.Result
        curve : what `quick_fits.read` gives, or None
        cpu : float
            Seconds.
        """
        table, plan = self.simulation.stars, self.simulation.plan
        tile = tiles.tile_number(table['row'], table['column'], plan.stamp)
        order = sorted((tile[star], number, star, method)
                       for number, (method, stars) in enumerate(wanted.items()) for star in stars)
        with tempfile.TemporaryDirectory() as output, self.open_worker(output) as worker:
            for _, _, star, method in order:
                started = time.process_time()
                result = tessphot.process(task_of(table[star], plan, self.name, method), worker)
                cpu = time.process_time() - started
                curve = None
                if result.lightcurve:
                    path = Path(output, result.lightcurve)
                    curve = quick_fits.read(path)
                    path.unlink()
                yield method, star, result, curve, cpu


def in_memory(field, chosen=None):
    """A field with its true background and motion, as `Prepared`."""
    source = FieldSource(field)

    def open_worker(output):
        worker = WorkerContext(options(output, output, chosen))
        worker.add_source('field', source, catalog_of(field, source))
        return worker

    return Prepared(field.simulation, open_worker, 'field')


def from_files(simulation, folder, chosen=None):
    """A folder with cube and catalogue (`prepare_files`) as `Prepared`."""
    return Prepared(simulation, lambda output: WorkerContext(options(folder, output, chosen)),
                    paths.find_cubes(folder)[0].path.name)
