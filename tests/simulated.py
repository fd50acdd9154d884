"""A tiny sector with its truth, in memory: what tests of the photometry measure.

Stars are drawn by `photometry.simulation`, which shares no code with the
photometry's own model of a star.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np

from photometry.core import quality, units
from photometry.core.quality import PixelFlag
from photometry.core.stamp import Stamp
from photometry.files import cube_schema, prf
from photometry.files import wcs as wcs_file
from photometry.simulation import render, saturation

EXPOSURE = 1425.6
READNOISE = 10.0
SKY = 100.0
LEFT_OUT = 1.0

STAR = np.dtype([('starid', 'i8')] + [(name, 'f8') for name in (
    'ra', 'decl', 'ra_J2000', 'decl_J2000', 'pm_ra', 'pm_decl', 'tmag', 'teff')])


@dataclass
class MemorySource:
    """A `PixelSource` whose pixels are arrays."""

    info: object
    layers: dict
    time: np.ndarray
    quality: np.ndarray
    wcs_text: str
    movement_kernel: np.ndarray
    name: str = 'ffi'
    path: str = 'memory.hdf5'
    warpmode: str = 'translation'
    star_wing: tuple | None = None
    psf: object = None
    starid: int | None = None
    aperture: np.ndarray | None = None
    extra_layers: tuple = ()

    def __post_init__(self):
        half = self.info.cadence / 2 / 86400
        self.limits, self.centre = self.info.limits, self.info.centre
        self.time_start, self.time_stop = self.time - half, self.time + half
        self.timecorr = np.full(self.time.size, 0.002)
        self.cadenceno = np.arange(4697, 4697 + self.time.size)
        self.good = quality.good(self.quality)
        self.mean = self.layers['images'][..., self.good].mean(axis=-1, dtype='float64')

    def read(self, layer, stamp):
        return self.layers[layer][stamp.slices(self.limits[::2])].copy()

    def sumimage(self, stamp):
        return self.mean[stamp.slices(self.limits[::2])].copy()

    def close(self):
        self.layers = {}


@dataclass(frozen=True)
class Sector:
    """Source and catalogue with the truth behind them."""

    source: MemorySource
    catalog: object
    row: np.ndarray
    column: np.ndarray
    flux: np.ndarray
    shift: np.ndarray
    """(times, 2) motion in row and column."""

    @property
    def starids(self):
        return self.catalog.stars['starid']


def flat_wcs(stamp):
    """A tangent-plane WCS of 21 arcsec pixels around the middle of a stamp, as text."""
    from astropy.wcs import WCS
    made = WCS(naxis=2)
    made.wcs.ctype = ['RA---TAN', 'DEC--TAN']
    made.wcs.crval = [80.0, -45.0]
    made.wcs.crpix = [(stamp.col_min + stamp.col_max + 1) / 2, (stamp.row_min + stamp.row_max + 1) / 2]
    made.wcs.cd = np.array([[-21.0, 0.5], [0.5, 21.0]]) / 3600
    return wcs_file.wcs_to_text(made)


def simulate(row, column, tmag, *, stamp=None, frames=60, seed=1, jitter=0.01, wing=0.0, noise=True,
             zero_point=units.ZERO_POINT, catalog_error=0.0):
    """A sector of a few stars.

    Parameters
    ----------
    row, column, tmag : array_like (stars,)
        Zero-based positions in the reference frame.
    stamp : Stamp
        Pixels of the source.
    jitter : float
        Motion, px rms, translation only.
    wing : float
        Part of the light beyond the core.
    catalog_error : float
        Rms of magnitudes in the catalogue against the truth.
    """
    rng = np.random.default_rng(seed)
    stamp = stamp or Stamp(1000, 1040, 700, 740)
    row, column, tmag = (np.array(values, dtype='float64') for values in (row, column, tmag))
    flux = units.magnitude_to_flux(tmag, zero_point)
    shift = rng.normal(0, jitter, (frames, 2))
    shift -= shift.mean(axis=0)
    images = _render(row, column, flux, shift, stamp, wing)
    saturated = images > units.SATURATION / 2
    for frame in range(frames):
        saturation.bleed(images[..., frame], units.SATURATION / 2)
    variance = (images + SKY) / EXPOSURE + READNOISE ** 2 / (2 * EXPOSURE)
    if noise:
        images = images + rng.normal(size=images.shape) * np.sqrt(variance)
    source = _source(stamp, images, np.sqrt(variance), saturated, shift)
    catalog = _catalog(row, column, tmag + catalog_error * rng.normal(size=tmag.size), source)
    order = np.argsort(catalog.stars['starid'])
    return Sector(source, replace_stars(catalog, catalog.stars[order]), row[order], column[order],
                  flux[order], shift)


def replace_stars(catalog, stars):
    """The same catalogue with other stars."""
    return SimpleNamespace(info=catalog.info, stars=stars)


def _render(row, column, flux, shift, stamp, wing):
    samples = prf.load_prf(5, 2, 2)
    renderer = render.Renderer(samples.samples, samples.row, samples.column,
                               render.WingShape(fraction=wing))
    canvas = stamp.grown(24, 24, 24, 24)
    images = np.zeros((*canvas.shape, len(shift)), dtype='float64')
    for frame, (down, right) in enumerate(shift):
        values, row0, column0 = renderer.stamps(row + down, column + right)
        side = values.shape[1]
        for value, first, left, light in zip(values, row0, column0, flux, strict=True):
            spot = (slice(first - canvas.row_min, first - canvas.row_min + side),
                    slice(left - canvas.col_min, left - canvas.col_min + side), frame)
            images[spot] += light * value
    return images[stamp.slices(canvas[::2])].copy()


def _source(stamp, images, errors, saturated, shift):
    info = cube_schema.CubeInfo(
        sector=5, camera=2, ccd=2, cadence=1800, rows=stamp.height, columns=stamp.width,
        times=len(shift), row_offset=stamp.row_min, column_offset=stamp.col_min, is_cutout=True,
        ref_frame=0, block=32, data_rel=7, n_readout=720, num_frm=900, exposure=EXPOSURE, deadc=0.792,
        crmiten=True, procver='test')
    flags = np.where(images > 20, PixelFlag.NOT_USED_FOR_BACKGROUND, 0).astype('uint8')
    flags[saturated] |= np.uint8(PixelFlag.SATURATED)
    layers = {'images': images.astype('float32'), 'images_err': errors.astype('float32'),
              'backgrounds': np.full(images.shape, SKY, dtype='float32'), 'pixel_flags': flags}
    time = 1440.0 + np.arange(len(shift)) / 48
    cadence_quality = np.zeros(len(shift), dtype='int32')
    if len(shift) > 10:
        cadence_quality[5] = 128
    kernel = np.concatenate([shift, np.zeros((len(shift), 4))], axis=1)
    return MemorySource(info, layers, time, cadence_quality, flat_wcs(stamp), kernel)


def _catalog(row, column, tmag, source):
    stars = np.zeros(row.size, dtype=STAR)
    ra, dec = wcs_file.pixel_to_sky(wcs_file.wcs_from_text(source.wcs_text), row, column)
    stars['starid'] = 1000 + np.arange(row.size)
    for name, values in (('ra', ra), ('decl', dec), ('ra_J2000', ra), ('decl_J2000', dec),
                         ('tmag', tmag), ('teff', 5800.0)):
        stars[name] = values
    info = SimpleNamespace(ticver=8, sector=5, camera=2, ccd=2)
    return SimpleNamespace(info=info, stars=stars)


def worker(sector, output_folder, **options):
    """A `WorkerContext` that has the sector open under the cube name ``memory``."""
    from photometry.methods.context import JobOptions, WorkerContext
    context = WorkerContext(JobOptions(str(output_folder), str(output_folder),
                                       source_date_epoch=1700000000, **options))
    context.add_source('memory', sector.source, sector.catalog)
    return context


def task(starid, **changes):
    """The task of one star of such a sector."""
    from photometry.core.task import Task
    return replace(Task(int(starid), 5, 2, 2, 1800, cube='memory'), **changes)
