"""Which pixels are summed: apertures chosen by signal to noise, columns of bleeding charge."""

from __future__ import annotations

import math

import numpy as np

SATURATION = 7.5e4
"""Mean image above which a pixel counts as saturated, e-/s. Full well is 1e5 e-/s
(2e5 e- in 2 s); motion blurs the edge of a trail."""

PEAK_SATURATION = 9e4
"""The same in a single frame, e-/s."""

MAY_FILL = 0.2
"""Part of `SATURATION` in the mean from which on a pixel may be full, or hold charge, in some frame."""

BLEED_REACH = 3
"""Pixels beyond both ends of a saturated run that may hold part of its charge."""

MOST_MORE = 5
"""Pixels that slack buys at most: faint stars need a few, bright ones hardly gain."""

_NEIGHBOURS = np.zeros((3, 3, 3), dtype=int)
_NEIGHBOURS[1] = 1
"""Those of a pixel in its own one of several images."""


def stamp_size(tmag):
    """Rows and columns that hold the aperture of a star of some TESS magnitude.

    Saturated stars get rows for the charge that runs along their column.
    """
    tmag = tmag if math.isfinite(tmag) else 15.0
    half = min(max(math.ceil(5 + 0.9 * (13 - tmag)), 7), 14)
    trail = min(math.ceil(6 * 10 ** min(0.4 * (6 - tmag), 2)), 120) if tmag < 7 else 0
    return 2 * (half + trail) + 1, 2 * half + 1


def connected(mask, start):
    """The part of a mask that hangs together with a pixel, diagonals included.

    Parameters
    ----------
    mask : ndarray (rows, columns) of bool
    start : tuple of int
        (row, column); when it lies outside the mask nothing is left.
    """
    return _connected(mask[None], np.ravel_multi_index(start, mask.shape)[None])[0]


def _connected(masks, start):
    """The same of several masks (n, rows, columns), each from a pixel counted along its rows."""
    from scipy import ndimage
    labels, _ = ndimage.label(masks, structure=_NEIGHBOURS)
    own = np.take_along_axis(labels.reshape(len(masks), -1), start[:, None], axis=1)[..., None]
    return (labels == own) & (own > 0)


def snr_mask(target, variance, gradients=None, jitter=0.0, slack=0.0, shared=0.0):
    """Contiguous aperture of the greatest signal to noise.

    Pixels are taken in order of signal over noise until the cumulated ratio is
    greatest; of these the part around the target's brightest pixel is kept.

    Parameters
    ----------
    target : ndarray (rows, columns)
        Expected light of the target, e-/s.
    variance : ndarray (rows, columns)
        Variance of the pixels from all sources, (e-/s)^2; infinite where a
        pixel cannot be used.
    gradients : pair of ndarray (rows, columns), optional
        Derivatives of all starlight by the row and column of the pointing, e-/s a px.
    jitter : float
        Pointing noise, px rms, that is not corrected afterwards.
    slack : float
        Part of the greatest ratio that may be given up for more pixels (`MOST_MORE` of
        them at most), which a weighted sum makes use of.
    shared : float
        Error that all pixels have in common, such as that of the background, e-/s.

    Returns
    -------
    ndarray (rows, columns) of bool
        Without any pixel where the target has no light on usable ones.
    """
    if gradients is not None:
        gradients = [slope[None] for slope in gradients]
    return snr_masks(target[None], variance[None], gradients, jitter, slack, shared)[0]


def snr_masks(target, variance, gradients=None, jitter=0.0, slack=0.0, shared=0.0):
    """`snr_mask` of several stars with stamps of one size, in hardly more time than that of one.

    Parameters
    ----------
    target, variance : ndarray (stars, rows, columns)
    gradients : pair of ndarray (stars, rows, columns), optional
    jitter, slack, shared : float
        As of `snr_mask`.

    Returns
    -------
    ndarray (stars, rows, columns) of bool
    """
    flat = (len(target), target[0].size)
    usable = np.isfinite(variance) & (target > 0)
    ratio = np.where(usable, target / np.sqrt(np.where(usable, variance, 1.0)), -1.0)
    order = np.argsort(-ratio.reshape(flat), axis=1, kind='stable')

    def cumulated(values):
        return np.cumsum(np.take_along_axis(values.reshape(flat), order, axis=1), axis=1)
    place = np.arange(flat[1])
    noise = cumulated(variance) + (shared * (place + 1)) ** 2
    if gradients is not None and jitter > 0:
        noise = noise + jitter ** 2 * sum(cumulated(slope) ** 2 for slope in gradients)
    known = place < usable.reshape(flat).sum(axis=1)[:, None]
    signal = np.where(known, cumulated(target) / np.sqrt(np.where(known, noise, 1.0)), -np.inf)
    best = signal.argmax(axis=1)
    enough = known & (signal >= (1 - slack) * signal.max(axis=1)[:, None])
    last = np.minimum(flat[1] - 1 - enough[:, ::-1].argmax(axis=1), best + MOST_MORE)
    mask = np.zeros(flat, dtype=bool)
    np.put_along_axis(mask, order, known & (place <= last[:, None]), axis=1)
    return _connected(mask.reshape(target.shape), order[:, 0])


def saturated(image, level=SATURATION):
    """Saturated pixels of a mean image; what is not finite is none."""
    return np.asarray(image) > level


def may_fill(image):
    """Pixels of a mean image that are looked at frame by frame, (rows, columns) of bool."""
    return bleeding(saturated(image, MAY_FILL * SATURATION))  # the others are never near it


def ever_full(image, images, good):
    """Pixels that are full in some frame: where the star moves, trails grow and shrink.

    Parameters
    ----------
    image : ndarray (rows, columns)
        Mean image, e-/s.
    images : ndarray (rows, columns, times)
        e-/s; NaN counts as dark.
    good : ndarray (times,) of bool
        Frames that count.

    Returns
    -------
    ndarray (rows, columns) of bool
    """
    full = saturated(image)
    some = may_fill(image) & ~full
    if some.any() and good.any():
        full[some] = (images[some][:, good] > PEAK_SATURATION).any(axis=-1)
    return full


def bleeding(full, reach=BLEED_REACH):
    """Saturated pixels with those along their columns that may hold their charge.

    Parameters
    ----------
    full : ndarray (rows, columns) of bool
        Saturated pixels. Charge bleeds along columns of the image.
    reach : int
        Pixels beyond each end of a run.
    """
    wide = full.copy()
    for step in range(1, reach + 1):
        wide[step:] |= full[:-step]
        wide[:-step] |= full[step:]
    return wide


def bleed_mask(full, start, reach=BLEED_REACH):
    """Bleed trails that belong to the star on a pixel.

    Parameters
    ----------
    full : ndarray (rows, columns) of bool
        Saturated pixels.
    start : tuple of int
        (row, column) of the star.

    Returns
    -------
    ndarray (rows, columns) of bool
        Empty when no saturated pixel lies within a pixel of ``start``.
    """
    near = np.zeros_like(full)
    near[max(start[0] - 1, 0):start[0] + 2, max(start[1] - 1, 0):start[1] + 2] = True
    seeds = np.argwhere(full & near)
    if not seeds.size:
        return np.zeros_like(full)
    return bleeding(connected(full, tuple(seeds[0])), reach)


def touched_sides(mask):
    """Sides of a stamp that a mask touches: (down, up, left, right)."""
    return mask[0].any(), mask[-1].any(), mask[:, 0].any(), mask[:, -1].any()


def edge_pixels(mask):
    """The pixels of a mask that lie on the border of its stamp."""
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = True
    return mask & ~inner
