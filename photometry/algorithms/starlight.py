"""Light expected from the catalogue's stars, and the pixels that it spoils for the background."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import prf as prf_model
from photometry.core import units
from photometry.core.stamp import Stamp

TYPICAL_WING = prf_model.Wing(0.03, 3.0)
"""Wing assumed until the bright stars have told."""

_CHUNK = 8192

_FEW = 1000
"""Stars up to which wings are rendered one by one: quicker than the convolution of a CCD, and exact."""


def render(limits, row, column, tmag, prf, wing=None, zero_point=units.ZERO_POINT):
    """Expected light of the catalogue's stars.

    Cores are rendered star by star; wings, which change slowly, all at once as a
    convolution.

    Parameters
    ----------
    limits : Stamp
    row, column, tmag : arrays (n,)
        Zero-based CCD positions; stars outside the stamp count too.
    prf : photometry.algorithms.prf.PRF
    wing : photometry.algorithms.prf.Wing, optional
        That of the PRF by default, else a typical one.
    zero_point : float
        Magnitude of 1 e-/s.

    Returns
    -------
    float32 array (height, width), e-/s
    """
    row, column, tmag = (np.asarray(values, dtype='f8') for values in (row, column, tmag))
    finite = np.isfinite(row) & np.isfinite(column) & np.isfinite(tmag)
    row, column, light = row[finite], column[finite], units.magnitude_to_flux(tmag[finite], zero_point)
    wing = wing or prf.wing or TYPICAL_WING
    image = _wings(limits, row, column, light, wing)
    near = limits.grown(*[prf_model.CORE] * 4)
    inside = ((row > near.row_min) & (row < near.row_max) & (column > near.col_min) & (column < near.col_max))
    _add_cores(image, limits, row[inside], column[inside], light[inside] * (1 - wing.fraction), prf)
    return image


def _add_cores(image, limits, row, column, light, prf):
    margin = 2 * prf_model.CORE
    wide = np.zeros((limits.height + 2 * margin) * (limits.width + 2 * margin))
    step = np.arange(prf_model.CORE)
    place = step[:, None] * (limits.width + 2 * margin) + step
    bare = 1.0 if prf.wing is None else 1 - prf.wing.fraction
    for start in range(0, len(row), _CHUNK):
        part = slice(start, start + _CHUNK)
        values, row0, column0 = prf.render_at(row[part], column[part], prf_model.HALF)
        values *= light[part, None, None] / bare
        corner = ((row0 - limits.row_min + margin) * (limits.width + 2 * margin)
                  + column0 - limits.col_min + margin)
        wide += np.bincount((corner[:, None, None] + place).ravel(), values.ravel(), minlength=wide.size)
    wide = wide.reshape(limits.height + 2 * margin, -1)
    image += wide[margin:-margin, margin:-margin]


def _wings(limits, row, column, light, wing):
    from scipy import signal
    reach = int(np.ceil(wing.radius))
    if len(row) < _FEW:
        return _single_wings(limits, row, column, light, wing, reach)
    step = np.arange(-reach, reach + 1)[None]
    kernel = wing.render(np.zeros(1), np.zeros(1), step, step)[0, 0]
    points = _points(limits.grown(*[reach] * 4), row, column, light)
    return np.maximum(signal.oaconvolve(points, kernel, mode='valid'), 0).astype('f4')


def _single_wings(limits, row, column, light, wing, reach):
    """Wings star by star."""
    image = np.zeros(limits.shape)
    for r, c, flux in zip(row, column, light, strict=True):
        part = Stamp.around(r, c, 2 * reach + 1, 2 * reach + 1).clipped(limits)
        if min(part.shape) > 0:
            pixels = np.arange(part.row_min, part.row_max)[None], np.arange(part.col_min, part.col_max)[None]
            values = wing.render(np.array([r]), np.array([c]), *pixels)[0, 0]
            image[part.slices((limits.row_min, limits.col_min))] += flux * values
    return image.astype('f4')


def _points(limits, row, column, light):
    """Each star's light shared among its four nearest pixels; stars outside are left out."""
    image = np.zeros(limits.shape)
    down, right = row - limits.row_min, column - limits.col_min
    inside = (down >= 0) & (down < limits.height - 1) & (right >= 0) & (right < limits.width - 1)
    down, right, light = down[inside], right[inside], light[inside]
    i, j = np.floor(down).astype(int), np.floor(right).astype(int)
    down, right = down - i, right - j
    for k, m, share in ((0, 0, (1 - down) * (1 - right)), (0, 1, (1 - down) * right),
                        (1, 0, down * (1 - right)), (1, 1, down * right)):
        np.add.at(image, (i + k, j + m), share * light)
    return image


def star_mask(light, threshold=0.2, keep=0.25, mesh=64):
    """Pixels spoilt by starlight.

    Where a box would keep too few pixels, its least contaminated ones stay.

    Parameters
    ----------
    light : array (height, width)
        Expected starlight, e-/s.
    threshold : float
        Most starlight that a usable pixel may have, e-/s.
    keep : float
        Part of the pixels of each box that always stays.
    mesh : int
        Size of the boxes, px.

    Returns
    -------
    bool array (height, width), True where the pixel is spoilt
    """
    light = np.asarray(light)
    mask = light > threshold
    for top in range(0, light.shape[0], mesh):
        for left in range(0, light.shape[1], mesh):
            box = slice(top, top + mesh), slice(left, left + mesh)
            if mask[box].mean() > 1 - keep:
                mask[box] = light[box] > max(threshold, np.quantile(light[box], keep))
    return mask


def bleed_mask(limits, row, column, tmag, full_well=units.SATURATION, read=1.98):
    """Columns along which saturated stars bleed, with room to spare.

    Parameters
    ----------
    full_well : float
        Electrons in a pixel.
    read : float
        Seconds of one read.

    Returns
    -------
    bool array (height, width)
    """
    mask = np.zeros(limits.shape, dtype=bool)
    electrons = units.magnitude_to_flux(tmag) * read
    # a star in the middle of a pixel leaves about 0.3 of its light there
    full = np.isfinite(electrons) & np.isfinite(row) & np.isfinite(column) & (0.3 * electrons > full_well)
    for r, c, charge in zip(np.asarray(row)[full], np.asarray(column)[full], electrons[full], strict=True):
        half = 4 + int(np.ceil(0.75 * charge / full_well))
        part = Stamp(round(r) - half, round(r) + half + 1, round(c) - 2, round(c) + 3).clipped(limits)
        mask[part.slices((limits.row_min, limits.col_min))] = True
    return mask
