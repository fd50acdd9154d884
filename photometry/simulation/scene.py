"""Starlight of many stars, frame after frame, at little cost a frame."""

from __future__ import annotations

import numpy as np
from scipy import fft

from photometry.simulation.render import FAR, NEAR, phase

MARGIN = 28
"""Px rendered around the wanted pixels, so that light and charge can come in from outside."""


class Starlight:
    """Noiseless starlight on a stamp and a margin around it.

    Parameters
    ----------
    renderer : photometry.simulation.render.Renderer
    stamp : Stamp
    row, column : arrays, shape (n,)
        Positions of the stars at rest, zero-based CCD pixels.
    flux : array, shape (n,)
        Light of the stars at rest, e-/s.
    """

    def __init__(self, renderer, stamp, row, column, flux):
        self.stamp = stamp
        self.canvas = stamp.grown(MARGIN, MARGIN, MARGIN, MARGIN)
        self._renderer = renderer
        row, column, flux = (np.asarray(value, dtype='float64') for value in (row, column, flux))
        inner = self.canvas.grown(*[-(NEAR + 2)] * 4)
        self.kept = np.flatnonzero((row >= inner.row_min) & (row <= inner.row_max - 1)
                                   & (column >= inner.col_min) & (column <= inner.col_max - 1))
        self._rest = np.stack([row, column], axis=-1)[self.kept]
        self._flux = flux[self.kept]
        self._place, self._blend = renderer.places(*self._rest.T)
        self._amplitude = renderer.wing_amplitude(*self._rest.T)
        self._far = self._far_images()

    def _far_images(self):
        """Far wings of all stars at rest and their derivatives by a common shift: (6, canvas)."""
        shape = [fft.next_fast_len(side + 2 * FAR, real=True) for side in self.canvas.shape]
        light = fft.rfft2(self._deposit(self._flux * self._amplitude), shape)
        images = []
        for kernel in self._renderer.kernels:
            image = fft.irfft2(light * fft.rfft2(kernel.astype('float32'), shape), shape)
            images.append(image[FAR:FAR + self.canvas.height, FAR:FAR + self.canvas.width])
        return np.array(images, dtype='float32')

    def _deposit(self, light):
        """Stars as points, shared among 4 x 4 px by cubic interpolation."""
        image = np.zeros(self.canvas.shape, dtype='float32')
        position = self._rest - (self.canvas.row_min, self.canvas.col_min)
        low = np.floor(position).astype('int64')
        weights = _lagrange(position - low)
        for i in range(4):
            for j in range(4):
                np.add.at(image, (low[:, 0] + i - 1, low[:, 1] + j - 1),
                          light * weights[:, 0, i] * weights[:, 1, j])
        return image

    def render(self, shift, offsets=None, relative=None):
        """Starlight of one frame; arguments and result as those of `render_many`, without the frames."""
        return self.render_many(*(None if value is None else np.asarray(value)[None]
                                  for value in (shift, offsets, relative)))[0]

    def render_many(self, shifts, offsets=None, relative=None):
        """Starlight of some frames.

        Parameters
        ----------
        shifts : array, shape (frames, 2)
            Common motion in rows and columns, px.
        offsets : array, shape (frames, n, 2), optional
            Motion of each star, where it differs from the common one.
        relative : array, shape (frames, n), optional
            Light of each star over that at rest; 1 where missing.

        Returns
        -------
        array (frames, canvas rows, canvas columns), float32
            e-/s.
        """
        moved = self._rest + (shifts[:, None] if offsets is None else offsets[:, self.kept])
        flux = np.broadcast_to(self._flux, moved.shape[:2])
        drow, dcolumn = np.transpose(shifts)
        terms = np.stack([np.ones_like(drow), drow, dcolumn, drow ** 2, drow * dcolumn, dcolumn ** 2], axis=1)
        images = np.tensordot(terms.astype('float32'), self._far, axes=1)
        if relative is not None:
            flux = flux * relative[:, self.kept]
            for image, light in zip(images, flux, strict=True):
                self._add_variable_wings(image, light - self._flux)
        self._add_stamps(images, moved, flux)
        return images

    def _add_variable_wings(self, image, change):
        kernel = self._renderer.kernels[0].astype('float32')
        for star in np.flatnonzero(change):
            row, column = np.rint(self._rest[star]).astype(int) - (self.canvas.row_min, self.canvas.col_min)
            rows, columns = (slice(max(middle - FAR, 0), min(middle + FAR + 1, size))
                             for middle, size in zip((row, column), image.shape, strict=True))
            part = kernel[rows.start - row + FAR:rows.stop - row + FAR,
                          columns.start - column + FAR:columns.stop - column + FAR]
            image[rows, columns] += np.float32(change[star] * self._amplitude[star]) * part

    def _add_stamps(self, images, moved, flux):
        """Add cores and near wings star by star: all frames that find it in a cell of 1/9 px at once."""
        pixel, base, weights = (value.reshape(*moved.shape[:2], value.shape[-1])
                                for value in phase(moved.reshape(-1, 2)))
        weights *= flux[..., None].astype('float32')
        corner = pixel - (self.canvas.row_min + NEAR, self.canvas.col_min + NEAR)
        side = 2 * NEAR + 1
        inside = (corner >= 0).all(axis=-1) & (corner <= np.array(images.shape[1:]) - side).all(axis=-1)
        code = (corner @ (images.shape[2], 1)) * 100 + base @ (10, 1)
        for star in range(moved.shape[1]):
            for cell in np.unique(code[inside[:, star], star]):
                there = np.flatnonzero((code[:, star] == cell) & inside[:, star])
                row, column = corner[there[0], star]
                taps = self._renderer.taps(self._place[[star]], self._blend[[star]], base[there[0], [star]])
                value = (weights[there, star] @ taps[0]).reshape(-1, side, side)
                which = slice(there[0], there[-1] + 1) if there[-1] - there[0] == len(there) - 1 else there
                images[which, row:row + side, column:column + side] += value

    def crop(self, image):
        """The wanted pixels of an image of the canvas."""
        return image[self.stamp.slices((self.canvas.row_min, self.canvas.col_min))]


def _lagrange(part):
    """Weights of four equidistant points for cubic interpolation between the middle two."""
    before, after = part + 1, part - 1
    beyond = part - 2
    return np.stack([-part * after * beyond / 6, before * after * beyond / 2,
                     -before * part * beyond / 2, before * part * after / 6], axis=-1)


