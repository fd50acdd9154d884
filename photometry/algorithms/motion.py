"""Movement of the stars over the pixels from frame to frame, an affine change of place."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass

import numpy as np

from photometry.algorithms import joint_motion, star_shifts
from photometry.core.stamp import Stamp

logger = logging.getLogger(__name__)

_FEW = 12
"""Stars with which a field does without faint ones."""

_BLEEDING = 12.0
"""Distance in px from a saturated star within which no star is measured."""


@dataclass(frozen=True)
class Motion:
    """Movement of a CCD or cutout.

    Parameters
    ----------
    kernel : float64 array (times, 6)
        drow, dcolumn, a_rr, a_rc, a_cr, a_cc of every frame: position =
        reference + (drow, dcolumn) + A (reference - centre). The mean over
        good frames is zero; NaN where nothing was measured.
    centre : (row, column)
        Place about which A turns.
    warpmode : str
        'translation', 'affine' or 'unchanged'.
    scatter : float
        Estimated error of a frame's translation, px rms per axis.
    offset : float64 array (6,)
        Mean place of the stars less their reference places; zero where there are none.
    reason : str
        Why nothing was measured, if so.
    """

    kernel: np.ndarray
    centre: tuple[float, float]
    warpmode: str
    scatter: float
    offset: np.ndarray
    reason: str = ''


def unchanged(good, centre, reason) -> Motion:
    """No movement: zero in good frames, NaN in the others."""
    logger.warning('The movement of the stars was not measured: %s.', reason)
    kernel = np.where(np.asarray(good)[:, None], np.zeros(6), np.nan)
    return Motion(kernel, tuple(centre), 'unchanged', np.inf, np.zeros(6), reason)


def positions_at(kernel, centre, row, column):
    """Places of stars in every frame.

    Parameters
    ----------
    kernel : array (times, 6)
    centre : (row, column)
    row, column : arrays (n,)
        Reference places.

    Returns
    -------
    rows, columns : float64 arrays (n, times)
        NaN where the kernel is.
    """
    kernel = np.asarray(kernel, dtype='f8')
    row, column = np.atleast_1d(np.asarray(row, 'f8')), np.atleast_1d(np.asarray(column, 'f8'))
    off_row, off_column = row[:, None] - centre[0], column[:, None] - centre[1]
    drow, dcolumn, a_rr, a_rc, a_cr, a_cc = kernel.T
    return (row[:, None] + drow + a_rr * off_row + a_rc * off_column,
            column[:, None] + dcolumn + a_cr * off_row + a_cc * off_column)


def from_positions(rows, columns, good, centre, reference=None) -> Motion:
    """Movement from places of the same stars in every frame, as a WCS a frame gives them.

    Parameters
    ----------
    rows, columns : arrays (n, times)
        Zero-based CCD places of a grid of stars; NaN in frames without a WCS.
    good : bool array (times,)
        Frames that count; the others get NaN.
    centre : (row, column)
    reference : int, optional
        The frame whose places are the reference places.
    """
    rows, columns = np.asarray(rows, 'f8'), np.asarray(columns, 'f8')
    measured = np.asarray(good) & np.isfinite(rows).all(axis=0) & np.isfinite(columns).all(axis=0)
    if len(rows) < 3 or not measured.any():
        return unchanged(good, centre, 'no good frame has a WCS')
    row, column = rows[:, measured].mean(axis=1), columns[:, measured].mean(axis=1)
    basis = np.stack([np.ones_like(row), row - centre[0], column - centre[1]], axis=1)
    inverse = np.linalg.pinv(basis)
    kernel = np.full((len(measured), 6), np.nan)
    kernel[measured] = _pack(inverse @ (rows[:, measured] - row[:, None]),
                             inverse @ (columns[:, measured] - column[:, None]))
    kernel -= kernel[measured].mean(axis=0)
    noise = kernel[:, :2][measured]
    scatter = _point_to_point(noise)
    offset = np.zeros(6) if reference is None or not measured[reference] else -kernel[reference]
    return Motion(kernel, tuple(centre), 'affine', scatter, offset)


def against_reference(motion: Motion) -> Motion:
    """The same movement counted from the reference places instead of the mean ones."""
    return dataclasses.replace(motion, kernel=motion.kernel + motion.offset, offset=np.zeros(6))


def _pack(rows, columns):
    """Kernel (times, 6) from the solutions (3, times) of the two axes."""
    return np.stack([rows[0], columns[0], rows[1], rows[2], columns[1], columns[2]], axis=1)


def _point_to_point(series):
    """Noise of series (times, axes) from differences of neighbours; includes true jitter."""
    if len(series) < 3:
        return np.inf
    steps = np.diff(series, axis=0)
    return float(1.4826 * np.median(np.abs(steps - np.median(steps, axis=0))) / np.sqrt(2))


def measure(stamps, errors, stamp_rows, stamp_columns, stars, row, column, tmag, prf, good, centre) -> Motion:
    """Movement measured on the stars.

    Every star gives its shift in every frame from a linear fit of a sloping
    level, its image and the image's two derivatives, its neighbours moving with it; the
    shifts of all stars are joined robustly. Reference places need to be good
    to about half a pixel only.

    Parameters
    ----------
    stamps, errors : arrays (n, height, width, times)
        Background-subtracted pixels around bright unsaturated stars and their
        errors, e-/s, as from `collect`.
    stamp_rows, stamp_columns : int arrays (n,)
        First row and column of each star's stamp.
    stars : int array (n,)
        The stars' indices in the catalogue, as from `select`.
    row, column, tmag : arrays
        Reference places of all catalogue stars, zero-based CCD pixels, and magnitudes.
    prf : photometry.algorithms.prf.PRF
    good : bool array (times,)
    centre : (row, column)

    Returns
    -------
    Motion
        'unchanged' where no star serves.
    """
    good = np.asarray(good, dtype=bool)
    if len(stars) == 0:
        return unchanged(good, centre, 'the field has no star that is bright, unsaturated and alone')
    places, tmag = np.stack([row, column], axis=1).astype('f8'), np.asarray(tmag, dtype='f8')
    corners = np.stack([stamp_rows, stamp_columns], axis=1)
    scenes = [_scene(star, places, tmag) for star in stars]
    shifts = star_shifts.measure(stamps, errors, corners, scenes, prf, good)
    return _joined(shifts, places[stars], good, centre)


def _scene(star, places, tmag):
    """Places and relative light of a star and of what may reach its stamp."""
    near = (np.abs(places - places[star]) < 14).all(axis=1) & (tmag < tmag[star] + 6)
    near[star] = False
    members = np.append(star, np.flatnonzero(near))
    return places[members], 10 ** (-0.4 * (tmag[members] - tmag[star]))


def collect(read, limits, row, column, half=4):
    """Pixels around stars.

    Parameters
    ----------
    read : callable
        ``read(stamp)`` gives (height, width, times) of a stamp inside the limits.
    limits : Stamp
    row, column : arrays (n,)
        Places of the stars.
    half : int
        The stamps measure 2 half + 1 px.

    Returns
    -------
    pixels : float32 array (n, 2 half + 1, 2 half + 1, times)
        NaN outside the limits.
    stamp_rows, stamp_columns : int arrays (n,)
    """
    side = 2 * half + 1
    pixels = []
    wanted = [Stamp.around(r, c, side, side) for r, c in zip(row, column, strict=True)]
    for stamp in wanted:
        inside = stamp.clipped(limits)
        found = read(inside)
        full = np.full((side, side, found.shape[2]), np.nan, dtype='f4')
        full[inside.slices((stamp.row_min, stamp.col_min))] = found
        pixels.append(full)
    corners = np.array([(stamp.row_min, stamp.col_min) for stamp in wanted], dtype=int).reshape(-1, 2)
    return (np.array(pixels) if pixels else np.zeros((0, side, side, 0), dtype='f4')), *corners.T


def _joined(shifts, places, good, centre) -> Motion:
    usable = np.isfinite(shifts.value[:, :, good]).any(axis=(1, 2)) if good.any() else np.zeros(0, dtype=bool)
    if not usable.any():
        return unchanged(good, centre, 'no star gives a shift in a good frame')
    shifts, places = shifts.of(usable), places[usable]
    offset = np.nanmedian(shifts.value[:, :, good], axis=2)
    value, off = shifts.value - offset[:, :, None], places - centre
    joint = joint_motion.join(value, shifts.error, off, good)
    common = np.stack(positions_at(joint.kernel, centre, *places.T), axis=1) - places[:, :, None]
    value = joint_motion.without_own_ways(value, shifts.error, common, good)
    joint = joint_motion.join(value, shifts.error, off, good)
    kernel = joint.kernel
    kernel[~good] = np.nan
    if not np.isfinite(kernel).all(axis=1).any():
        return unchanged(good, centre, 'the stars agree on no shift in any good frame')
    mean = np.nanmean(kernel, axis=0)
    # terms that do not change are places of the stars, no movement
    warpmode = 'affine' if np.nanmax(np.abs(kernel - mean)[:, 2:]) > 1e-12 else 'translation'
    scatter = max(float(np.nanmedian(joint.deviation[good, :2])), joint.halves)
    logger.info('Stars that give the movement: %d, to %.2f mpx (%s).', len(places), 1e3 * scatter, warpmode)
    return Motion(kernel - mean, tuple(centre), warpmode, scatter,
                  mean + _mean_offset(offset, off))


def _mean_offset(offset, off):
    """Robust mean place of the stars less their reference, as a kernel of one frame."""
    fixed = joint_motion.join(offset[:, :, None], np.full((*offset.shape, 1), 0.02), off, np.array([True]))
    return fixed.kernel[0]


def select(row, column, tmag, limits, count=100, bright=7.2, faint=13.5, margin=2) -> np.ndarray:
    """Stars fit for measuring the movement: unsaturated, isolated, spread over the field.

    Parameters
    ----------
    row, column, tmag : arrays (n,)
        The catalogue; zero-based CCD places.
    limits : Stamp
        The pixels that exist.
    count : int
        How many stars are wanted.
    bright, faint : float
        Limits of the magnitude; the faint one is given up where the field has few other stars.
    margin : float
        Least distance from the edge, px.

    Returns
    -------
    int array
        Indices into the catalogue.
    """
    row, column, tmag = (np.asarray(values, dtype='f8') for values in (row, column, tmag))
    inside = ((row > limits.row_min + margin) & (row < limits.row_max - 1 - margin)
              & (column > limits.col_min + margin) & (column < limits.col_max - 1 - margin))
    candidates = np.flatnonzero(inside & (tmag > bright) & (tmag < faint + 2.5))
    candidates = candidates[np.argsort(tmag[candidates], kind='stable')]
    chosen = _isolated(candidates, row, column, tmag, limits, count, bright, faint)
    return np.array(chosen, dtype=int)


def _isolated(candidates, row, column, tmag, limits, count, bright, faint):
    """Brightest first, no cell of the field taking more than its share."""
    cell = max(limits.shape) / 6 + 1e-9
    taken, chosen = {}, []
    share = max(2, count // 20)
    for star in candidates:
        if len(chosen) == count or (tmag[star] > faint and len(chosen) >= _FEW):
            break
        key = int((row[star] - limits.row_min) // cell), int((column[star] - limits.col_min) // cell)
        distance = np.hypot(row - row[star], column - column[star])
        rivals = (10 ** (-0.4 * (tmag[distance < 3] - tmag[star]))).sum() - 1
        # near a full well the image does not move with the stars
        drowned = (tmag[distance < _BLEEDING] < bright).any()
        if taken.get(key, 0) < share and rivals < 0.2 and not drowned:
            chosen.append(star)
            taken[key] = taken.get(key, 0) + 1
    return chosen


def choose(wcs: Motion, stars: Motion) -> Motion:
    """The better measured of two movements, its gaps filled from the other one.

    The scatter of the WCS follows from its differences from the stars, whose
    own scatter is known.
    """
    if 'unchanged' in (wcs.warpmode, stars.warpmode):
        return stars if wcs.warpmode == 'unchanged' else wcs
    both = np.isfinite(wcs.kernel).all(axis=1) & np.isfinite(stars.kernel).all(axis=1)
    if both.sum() < 3:
        return stars if np.isfinite(stars.kernel[:, 0]).sum() >= np.isfinite(wcs.kernel[:, 0]).sum() else wcs
    difference = wcs.kernel[both] - stars.kernel[both]
    middle = np.median(difference, axis=0)
    spread = 1.4826 * np.median(np.abs(difference[:, :2] - middle[:2]))
    scatter = float(np.sqrt(max(spread**2 - stars.scatter**2, 0.0)))
    logger.info('Scatter of the movement: %.2f mpx from the WCS, %.2f mpx from the stars.',
                1e3 * scatter, 1e3 * stars.scatter)
    if stars.scatter <= scatter:
        return _filled(stars, wcs.kernel - middle)
    return _filled(dataclasses.replace(wcs, scatter=scatter), stars.kernel + middle)


def _filled(motion, other):
    kernel = np.where(np.isfinite(motion.kernel), motion.kernel, other)
    mean = np.nanmean(kernel, axis=0)
    return dataclasses.replace(motion, kernel=kernel - mean, offset=motion.offset + mean)
