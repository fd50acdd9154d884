"""Pixels from the target pixel file of one star, whose background the mission has subtracted."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from photometry.algorithms import badpixels, timing
from photometry.core import quality
from photometry.core.errors import OffSiliconError
from photometry.core.quality import ApertureFlag, CadenceFlag, PixelFlag
from photometry.core.stamp import Stamp
from photometry.files import tpf
from photometry.files.cube_schema import CubeInfo

DAY = 86400.0


class TargetPixelSource:
    """A target pixel file in memory as a `~photometry.pixels.base.PixelSource`.

    Its times are the barycentric ones of the target, less the lateness of the first data
    releases (`photometry.algorithms.timing.release_offset`); cadences without a time are
    left out. The motion is POS_CORR, which counts from the places that the WCS gives.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    InputMissingError, InputBadError
        As `photometry.files.tpf.read_tpf` does, or when the file has no WCS.
    """

    name = 'tpf'
    star_wing = ()
    psf = None
    extra_layers = ('backgrounds_err',)

    def __init__(self, path):
        self._file = tpf.read_tpf(path)
        header = self._file.header
        self.path, self.starid, self.limits = path, header.starid, header.stamp
        self.aperture, self.wcs_text = header.aperture, header.wcs_text
        self.cadenceno, self.timecorr = self._file.cadenceno, self._file.timecorr
        self.quality = self._file.quality | np.where(self._empty, np.int32(CadenceFlag.MANUAL_EXCLUDE), 0)
        self.good = quality.good(self.quality)
        self.info = _info(header, self.cadenceno.size)
        self.centre = self.info.centre
        late = timing.release_offset(self.info.sector, self.info.data_rel, self.info.procver)
        self.time = self._file.time + late
        half = self.info.cadence / DAY / 2
        self.time_start, self.time_stop = self.time - half, self.time + half
        self.movement_kernel, self.warpmode = _motion(self._file.pos_corr)

    def read(self, layer, stamp):
        """Pixels of a layer, (rows, columns, times).

        Parameters
        ----------
        layer : str
            One of `photometry.pixels.base.LAYERS`, or ``backgrounds_err``.
        stamp : Stamp

        Raises
        ------
        OffSiliconError
            When the stamp reaches beyond the pixels of the file.
        """
        stamp = Stamp(*stamp)
        if not stamp.lies_in(self.limits):
            raise OffSiliconError(f'The stamp {tuple(stamp)} reaches beyond the pixels of {self.path}.')
        if layer == 'images':
            return self._images[stamp.slices(self.limits[::2])]
        if layer == 'pixel_flags':
            return self._flags(stamp)
        return self._file.layer(layer, stamp)

    @cached_property
    def _images(self):
        images = self._file.layer('images', self.limits)
        images.flags.writeable = False
        return images

    @property
    def _empty(self):
        """Cadences of which no pixel holds light, (times,) of bool; as for full-frame images."""
        light = self._images != 0
        light &= np.isfinite(self._images)
        return ~light.any(axis=(0, 1))

    def _flags(self, stamp):
        part = stamp.slices(self.limits[::2])
        flags = np.where(np.isfinite(self._images[part]), np.uint8(0), np.uint8(PixelFlag.NOT_FINITE))
        flags[(self.aperture[part] & ApertureFlag.BACKGROUND) == 0] |= np.uint8(
            PixelFlag.NOT_USED_FOR_BACKGROUND)
        flags[self._saturated[part]] |= np.uint8(PixelFlag.SATURATED)
        return flags

    @cached_property
    def _saturated(self):
        """Pixels at full well in the mean image with its background, (rows, columns) of bool."""
        sky = self.read('backgrounds', self.limits)[..., self.good]
        return badpixels.saturated(self._mean + (np.nanmedian(sky) if np.isfinite(sky).any() else 0.0))

    @cached_property
    def _mean(self):
        """`sumimage` of all pixels: in each the mean of the good cadences that hold a number there."""
        images = self._images.compress(self.good, axis=-1)
        mean = images.sum(axis=-1, dtype='f8') / max(images.shape[-1], 1)
        lacking = ~np.isfinite(mean) | (images.shape[-1] == 0)
        number = np.isfinite(images[lacking]).sum(axis=-1)
        mean[lacking] = np.where(number > 0, np.nansum(images[lacking], axis=-1, dtype='f8'), np.nan)
        mean[lacking] /= np.maximum(number, 1)
        return mean

    def sumimage(self, stamp):
        """Mean of the good images, (rows, columns), e-/s."""
        return self._mean[Stamp(*stamp).slices(self.limits[::2])].copy()

    def close(self):
        """Nothing is open: the file was read as a whole."""


def _info(header, times):
    """The facts as those of a cube."""
    rows, columns = header.stamp.shape
    return CubeInfo(*header.ccd_key, cadence=header.cadence, rows=rows, columns=columns, times=times,
                    row_offset=header.stamp.row_min, column_offset=header.stamp.col_min, is_cutout=True,
                    ref_frame=0, block=times, **header.facts)


def _motion(pos_corr):
    """Movement kernel and the word for it; a POS_CORR that is zero throughout was never measured."""
    known = np.isfinite(pos_corr).all(axis=1)
    kernel = np.zeros((len(pos_corr), 6))
    kernel[:, :2] = pos_corr
    if not pos_corr[known].any():
        kernel[:] = np.nan
        return kernel, 'unchanged'
    kernel[~known] = np.nan
    return kernel, 'translation'
