"""Pixels from the cube that prepare made of full-frame images or of a cutout."""

from __future__ import annotations

from functools import cached_property

from photometry.algorithms import backgrounds, timing
from photometry.files import cube


class CubeSource:
    """A cube file as a `~photometry.pixels.base.PixelSource`.

    Its times are those of the cube less the lateness of the first data releases and with the stagger of the
    readouts that their headers leave out (`photometry.algorithms.timing`).

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
    starid = aperture = None
    extra_layers = ()

    def __init__(self, path):
        self._file = cube.CubeFile(path, evaluate=self._background)
        self.path = self._file.path
        self.info = self._file.info
        self.limits, self.centre = self.info.limits, self.info.centre
        for name in ('timecorr', 'cadenceno', 'quality', 'good', 'wcs_text', 'movement_kernel', 'warpmode',
                     'star_wing'):
            setattr(self, name, getattr(self._file, name))
        late, edge = self._lateness()
        self.time = self._file.time + late
        self.time_start = self._file.time_start + late + edge
        self.time_stop = self._file.time_stop + late - edge

    def _lateness(self):
        """What to add to the times, and more to the start of a frame; only SPOC's clock was late."""
        if self.info.product != 'spoc':
            return 0.0, 0.0
        release = self.info.sector, self.info.data_rel, self.info.procver
        late = timing.release_offset(*release)
        late += timing.readout_stagger(*release, self.info.camera, self.info.ccd)
        return late, timing.edge_offset(*release)

    @cached_property
    def _layout(self):
        model = self._file.background
        return backgrounds.BackgroundLayout(model.limits, model.mesh, model.camera_centre,
                                            model.strap_columns)

    def _background(self, model, stamp):
        return backgrounds.evaluate(self._layout, model.parameters, stamp)

    def background_sum(self, weights, stamp):
        """Weighted sum of the background over the pixels of a stamp, (times,), without making these."""
        return backgrounds.evaluate_sum(self._layout, self._file.background.parameters, weights, stamp)

    @cached_property
    def psf(self):
        """The PRF learned from the stars of the cube, or None."""
        return self._file.psf

    def read(self, layer, stamp, cadences=None):
        """Pixels of a layer in all cadences or in a slice of them, (rows, columns, times)."""
        return self._file.read(layer, stamp, cadences)

    def sumimage(self, stamp):
        """Mean of the good images, (rows, columns), e-/s."""
        return self._file.sumimage(stamp).astype('float64')

    def close(self):
        """Close the file."""
        self._file.close()
