"""Simulated fields through the photometry, by files or in memory, with the Cramer-Rao bound of every star."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from photometry.algorithms import masks
from photometry.core import quality
from photometry.core.quality import PixelFlag
from photometry.core.stamp import Stamp
from photometry.core.task import Task
from photometry.files import cube_schema, wcs
from photometry.files.catalog import Catalog, CatalogInfo
from photometry.methods.context import JobOptions, WorkerContext
from photometry.simulation.noise import FRAME_TIME, INT_TIME
from photometry.stages import tessphot

CATALOG = [('starid', 'i8')] + [(name, 'f8') for name in (
    'ra', 'decl', 'ra_J2000', 'decl_J2000', 'pm_ra', 'pm_decl', 'tmag', 'teff')]
HALF = 9
"""Half width of the stamps that the bound takes in, px."""


@dataclass
class FieldSource:
    """A `photometry.simulation.field.Field` as a `PixelSource`, background and motion as they truly are."""

    field: object
    name: str = 'ffi'
    path: str = 'field.hdf5'
    warpmode: str = 'affine'
    star_wing: tuple | None = None

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
    """The true catalogue of a field."""
    stars = np.zeros(len(field.stars), dtype=CATALOG)
    ra, dec = wcs.pixel_to_sky(wcs.wcs_from_text(source.wcs_text), field.stars['row'], field.stars['column'])
    for name, values in (('starid', field.stars['starid']), ('ra', ra), ('decl', dec), ('ra_J2000', ra),
                         ('decl_J2000', dec), ('tmag', field.stars['tmag']), ('teff', 5800.0)):
        stars[name] = values
    info = source.info
    return Catalog(CatalogInfo(info.sector, info.camera, info.ccd, 'simulated'),
                   stars[np.argsort(stars['starid'])])


def sky_of(simulation):
    """Typical background, e-/s a pixel."""
    frame = int(np.flatnonzero(simulation.schedule.clean)[simulation.schedule.clean.sum() // 2])
    return float(np.median(simulation.background.evaluate(frame, simulation.plan.stamp)))


def bound(simulation, star):
    """Smallest standard deviation of a star's flux in one cadence, e-/s.

    Cramer-Rao limit of the true PRF with photon, sky and read noise and the
    clipping factor of the detector: var = 1 / sum(P^2 / var_pixel). Pixels of a
    bleed trail share their charge and count as one. Neighbours do not enter.
    """
    row, column, flux = (float(simulation.stars[star][name]) for name in ('row', 'column', 'flux'))
    values, row0, column0 = simulation.renderer.stamps(row, column)
    stamp = Stamp(row0[0], row0[0] + 2 * HALF + 1, column0[0], column0[0] + 2 * HALF + 1)
    part = values[0].astype('f8')
    columns = np.arange(stamp.col_min, stamp.col_max)
    variance = simulation.detector.variance(flux * part + sky_of(simulation), columns)
    full = masks.saturated(flux * part, simulation.detector.full_well / INT_TIME * 0.9)
    information = (part ** 2 / variance)[~full].sum()
    if full.any():
        information += part[full].sum() ** 2 / variance[full].sum()
    return information ** -0.5


def check_bound(simulation, star, draws=2000, seed=1):
    """Scatter of the ideal estimator over `bound`, from drawn frames of the star alone."""
    rng = np.random.default_rng(seed)
    row, column, flux = (float(simulation.stars[star][name]) for name in ('row', 'column', 'flux'))
    values, _, column0 = simulation.renderer.stamps(row, column)
    part = values[0].astype('f8')
    columns = column0[0] + np.arange(part.shape[1])
    sky = sky_of(simulation)
    light = flux * part + sky
    weight = part / simulation.detector.variance(light, columns)
    draw = np.tile(light.astype('f4'), (draws, 1))
    images, _ = simulation.detector.expose(draw, columns, rng)
    images = images.reshape(draws, *light.shape) - sky
    found = np.tensordot(images, weight, 2) / (weight * part).sum()
    return float(np.std(found) / bound(simulation, star))


def measure_in_memory(field):
    """Stars of a field with its true background and motion: {starid: (Result, columns)}."""
    source = FieldSource(field)
    with tempfile.TemporaryDirectory() as folder, WorkerContext(JobOptions(folder, folder)) as worker:
        worker.add_source('field', source, catalog_of(field, source))
        return _process(worker, Path(folder), 'field', source, field.stars)


def prepare_files(plan, folder, chosen):
    """Simulated files with their catalogue and cube in a folder; returns the `Simulation`."""
    from photometry.catalogs.table import TableCatalog
    from photometry.simulation.pointing import Sky
    from photometry.simulation.sector import Simulation
    from photometry.stages import make_catalog, prepare_photometry, simulate
    simulate.simulate(folder, plan)
    make_catalog.make_catalog(folder, plan.sector, TableCatalog(folder / 'stars.ecsv'), chosen.catalog)
    for failure in prepare_photometry.prepare_photometry(folder, chosen).failures:
        raise failure
    return Simulation(plan, Sky(plan.sector, plan.camera, plan.ccd))


def measure_files(plan, wanted=None):
    """The whole pipeline from simulated files: (Simulation, {starid: (Result, columns)}).

    ``wanted(star)`` tells which stars are measured; all by default.
    """
    from photometry import settings
    from photometry.files import paths
    chosen = settings.load()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        simulation = prepare_files(plan, folder, chosen)
        name = paths.find_cubes(folder)[0].path.name
        with WorkerContext(JobOptions(str(folder), str(folder / 'out'), chosen)) as worker:
            source = worker.source(task_of(simulation.stars[0], plan, name)).pixels
            stars = [star for star in simulation.stars if wanted is None or wanted(star)]
            return simulation, _process(worker, folder / 'out', name, source, stars)


def task_of(star, plan, name):
    """The task of a star in the cube of a name."""
    return Task(int(star['starid']), plan.sector, plan.camera, plan.ccd, plan.cadence, cube=name)


def _process(worker, output, name, source, stars):
    from photometry.files.lightcurve import read_lightcurve
    done = {}
    for star in stars:
        if source.limits.contains(star['row'], star['column']):
            result = tessphot.process(task_of(star, source.info, name), worker)
            found = read_lightcurve(output / result.lightcurve).columns if result.lightcurve else None
            done[int(star['starid'])] = SimpleNamespace(result=result, columns=found)
    return done
