"""Pixels from the cube that prepare made of full-frame images or of a cutout."""

from __future__ import annotations

from functools import cached_property

from photometry.algorithms import backgrounds, timing
from photometry.files import cube


class CubeSource:
    """A cube file as a `~photometry.pixels.base.PixelSource`.

    Its times are those of the cube less the lateness of the first data releases
    (`photometry.algorithms.timing.release_offset`).

    Parameters
    ----------
    path : path-like
        A finished cube.

    Raises
    ------
    InputMissingError, InputBadError, IncompatibleError
        As `photometry.files.cube.CubeFile` does.
    """

    name = 'ffi'

    def __init__(self, path):
        self._file = cube.CubeFile(path, evaluate=self._background)
        self.path = self._file.path
        self.info = self._file.info
        self.limits, self.centre = self.info.limits, self.info.centre
        for name in ('timecorr', 'cadenceno', 'quality', 'good', 'wcs_text', 'movement_kernel', 'warpmode',
                     'star_wing'):
            setattr(self, name, getattr(self._file, name))
        late = (timing.release_offset(self.info.sector, self.info.data_rel, self.info.procver)
                if self.info.product == 'spoc' else 0.)
        self.time, self.time_start, self.time_stop = (
            values + late for values in (self._file.time, self._file.time_start, self._file.time_stop))

    @cached_property
    def _layout(self):
        model = self._file.background
        return backgrounds.BackgroundLayout(model.limits, model.mesh, model.camera_centre,
                                            model.strap_columns)

    def _background(self, model, stamp):
        return backgrounds.evaluate(self._layout, model.parameters, stamp)

    @cached_property
    def psf(self):
        """The PRF learned from the stars of the cube, or None."""
        return self._file.psf

    def read(self, layer, stamp):
        """Pixels of a layer, (rows, columns, times)."""
        return self._file.read(layer, stamp)

    def sumimage(self, stamp):
        """Mean of the good images, (rows, columns), e-/s."""
        return self._file.sumimage(stamp).astype('float64')

    def close(self):
        """Close the file."""
        self._file.close()
