"""A region of a source that is read once, for stamps that are cut out of it many times."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import runs
from photometry.pixels.base import PixelSource

PRICE = 1.5
"""What a pixel of the region costs to read over one of a stamp: the memory is new and out of cache."""

MOST_BYTES = 1 << 30
"""Size of one layer of the region above which stamps never make it be read, bytes."""


class PixelBlock:
    """A `~photometry.pixels.base.PixelSource` that remembers one region of another one.

    Every layer is read when it pays: at once when the whole region is asked for,
    else when the stamps that were read one by one have cost as much as the region
    would. So a single star reads its stamp, a crowd reads the region, and nobody pays
    more than about twice what foresight would have paid. What is returned never
    depends on that: the same values either way, but views of the region are read-only.

    The attributes of a source are there; pixels outside of the region are its own.

    Parameters
    ----------
    source : photometry.pixels.base.PixelSource
    region : Stamp
        Inside the limits of the source.
    """

    def __init__(self, source, region):
        self.source = source
        self.region = region.clipped(source.limits)
        for name in PixelSource.__annotations__:
            setattr(self, name, getattr(source, name))
        self.background_sum = getattr(source, 'background_sum', None)
        self.release()

    def read(self, layer, stamp):
        """Pixels of a layer, (rows, columns, times); read-only where they belong to the region."""
        if not stamp.lies_in(self.region):
            return self.source.read(layer, stamp)
        if layer not in self._layers and not self._pays(layer, stamp):
            return self.source.read(layer, stamp)
        return self.load(layer)[stamp.slices(self.region[::2])]

    def load(self, layer):
        """The whole region of a layer, (rows, columns, times), read-only, kept until `release`."""
        if layer not in self._layers:
            pixels = self.source.read(layer, self.region)
            pixels.flags.writeable = False
            self._layers[layer] = pixels
        return self._layers[layer]

    def _pays(self, layer, stamp):
        """Whether to read the region now, the cost of this stamp included in what was spent."""
        size = self.region.height * self.region.width
        if stamp == self.region:
            return True
        spent = self._spent[layer] = self._spent.get(layer, 0) + stamp.height * stamp.width
        return spent > PRICE * size and 4 * size * self.source.time.size <= MOST_BYTES

    def sumimage(self, stamp):
        """Mean of the good images, (rows, columns), e-/s; read-only where it belongs to the region."""
        if not stamp.lies_in(self.region):
            return self.source.sumimage(stamp)
        if self._mean is None:
            self._mean = np.asarray(self.source.sumimage(self.region))
            self._mean.flags.writeable = False
        return self._mean[stamp.slices(self.region[::2])]

    def variance(self, stamp):
        """`~photometry.algorithms.runs.typical_variance`, (rows, columns); read-only where of the region."""
        if not stamp.lies_in(self.region) or 'images_err' not in self._layers:
            return runs.typical_variance(self.read('images_err', stamp), self.source.good)
        if self._variance is None:
            self._variance = runs.typical_variance(self._layers['images_err'], self.source.good)
            self._variance.flags.writeable = False
        return self._variance[stamp.slices(self.region[::2])]

    @property
    def held(self):
        """Layers that are in memory."""
        return frozenset(self._layers)

    def release(self):
        """Forget the pixels; later reading starts anew."""
        self._layers, self._spent, self._mean, self._variance = {}, {}, None, None

    def close(self):
        """Forget the pixels; the file belongs to the source."""
        self.release()
