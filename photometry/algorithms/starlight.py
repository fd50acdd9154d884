"""Light expected from the catalogue's stars, and the pixels that it spoils for the background."""

from __future__ import annotations

import numpy as np

from photometry.core.stamp import Stamp

ZERO_POINT = 20.44
"""TESS magnitude of 1 e-/s (TESS Instrument Handbook)."""

FULL_WELL = 2e5
"""Electrons that a pixel holds in one 2-s read."""


def flux(tmag, zero_point=ZERO_POINT):
    """Electrons a second of a star of TESS magnitude ``tmag``."""
    return 10 ** (-0.4 * (np.asarray(tmag, dtype='f8') - zero_point))


def wing_kernel(fraction=0.03, exponent=2.5, radius=60, core=6.5):
    """Image of the far wing of a star of unit flux.

    Parameters
    ----------
    fraction : float
        Part of the light beyond ``core`` px.
    exponent : float
        Light per pixel falls with this power of the distance.
    radius : int
        The wing ends here, px.

    Returns
    -------
    array (2 radius + 1, 2 radius + 1)
    """
    step = np.arange(-radius, radius + 1.0)
    distance = np.hypot(step[:, None], step[None, :])
    wing = np.where((distance > core) & (distance <= radius), distance.clip(1) ** -exponent, 0.0)
    return fraction * wing / wing.sum()


def core_kernel(radius=10, width=0.72, scale=2.2, exponent=2.6):
    """Rough image of a star of unit flux: a Gaussian pixel response with Moffat skirts."""
    step = np.arange(-radius, radius + 1.0)
    square = step[:, None] ** 2 + step[None, :] ** 2
    narrow = np.exp(-square / (2 * width**2))
    broad = (1 + square / scale**2) ** -exponent
    return 0.75 * narrow / narrow.sum() + 0.25 * broad / broad.sum()


def star_map(limits, row, column, light):
    """Each star's light shared among its four nearest pixels, stars outside left out.

    Parameters
    ----------
    limits : Stamp
    row, column, light : arrays (n,)

    Returns
    -------
    float32 array (height, width)
    """
    image = np.zeros((limits.height + 1, limits.width + 1))
    place = np.asarray(row) - limits.row_min, np.asarray(column) - limits.col_min
    low = [np.floor(axis).astype(int) for axis in place]
    part = [axis - base for axis, base in zip(place, low, strict=True)]
    for down in (0, 1):
        for right in (0, 1):
            share = (part[0] if down else 1 - part[0]) * (part[1] if right else 1 - part[1])
            at = low[0] + down, low[1] + right
            inside = (at[0] >= 0) & (at[0] < limits.height) & (at[1] >= 0) & (at[1] < limits.width)
            np.add.at(image, (at[0][inside], at[1][inside]), (share * light)[inside])
    return image[:-1, :-1].astype('f4')


def render(limits, row, column, tmag, kernel=None, zero_point=ZERO_POINT):
    """Expected light of stars on the pixels of a stamp, good outside their cores.

    Parameters
    ----------
    limits : Stamp
    row, column, tmag : arrays (n,)
        Zero-based CCD positions; stars outside the stamp count too.
    kernel : array (2 k + 1, 2 k + 1), optional
        Image of a star of unit flux on the middle of a pixel.

    Returns
    -------
    float32 array (height, width), e-/s
    """
    from scipy import signal
    kernel = _default_kernel() if kernel is None else np.asarray(kernel)
    margin = kernel.shape[0] // 2
    wide = Stamp(limits.row_min - margin, limits.row_max + margin,
                 limits.col_min - margin, limits.col_max + margin)
    usable = np.isfinite(tmag) & np.isfinite(row) & np.isfinite(column)
    row, column, tmag = (np.asarray(a, dtype='f8')[usable] for a in (row, column, tmag))
    points = star_map(wide, row, column, flux(tmag, zero_point))
    light = signal.oaconvolve(points, kernel.astype('f4'), mode='valid')
    return np.maximum(light, 0).astype('f4')


def _default_kernel():
    kernel = wing_kernel()
    core = core_kernel()
    edge = (kernel.shape[0] - core.shape[0]) // 2
    kernel[edge:-edge, edge:-edge] += 0.97 * core
    return kernel


def star_mask(limits, row, column, tmag, light=None, threshold=0.2, keep=0.25, mesh=64):
    """Pixels spoilt by starlight.

    Where a box would keep too few pixels, its least contaminated ones stay.

    Parameters
    ----------
    limits : Stamp
    row, column, tmag : arrays (n,)
        Zero-based CCD positions and magnitudes of the stars.
    light : array (height, width), optional
        Expected starlight, e-/s; rendered roughly by default.
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
    light = render(limits, row, column, tmag) if light is None else np.asarray(light)
    limit = np.full(light.shape, threshold, dtype='f4')
    for top in range(0, limits.height, mesh):
        for left in range(0, limits.width, mesh):
            box = slice(top, top + mesh), slice(left, left + mesh)
            limit[box] = max(threshold, np.quantile(light[box], keep))
    return (light > limit) | bleed_mask(limits, row, column, tmag)


def bleed_mask(limits, row, column, tmag, full_well=FULL_WELL, read=1.98):
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
    electrons = flux(tmag) * read
    # a star in the middle of a pixel leaves about 0.3 of its light there
    full = np.isfinite(electrons) & np.isfinite(row) & np.isfinite(column) & (0.3 * electrons > full_well)
    for r, c, charge in zip(np.asarray(row)[full], np.asarray(column)[full], electrons[full], strict=True):
        half = 4 + int(np.ceil(0.75 * charge / full_well))
        part = Stamp(round(r) - half, round(r) + half + 1, round(c) - 2, round(c) + 3).clipped(limits)
        mask[part.slices((limits.row_min, limits.col_min))] = True
    return mask
