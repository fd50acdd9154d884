"""Light from no star: zodiacal light, gradients, corner glow, earthshine, scattered light, straps."""

from __future__ import annotations

import numpy as np

from photometry.core.coordinates import SCIENCE
from photometry.core.errors import UsageError
from photometry.files.truth import BackgroundTruth

PRESETS = ('quiet', 'gradient', 'glow', 'straps', 'tess', 'glow60')
"""Only zodiacal light; a slope too; scattered light within hours too; straps too; all of these;
zodiacal light with a broad patch that stays."""

PATCH_HEIGHT, PATCH_SIGMA = 50.0, 60.0
"""The patch that stays: e-/s/px, px."""

FAST_HOURS = 3.0
"""Half width of a burst of scattered light."""


def make_background(rng, schedule, stamp, *, preset='tess', axis=(2078.0, 44.0), zodiacal=None):
    """Draw a background.

    Parameters
    ----------
    rng : numpy.random.Generator
    schedule : photometry.simulation.schedule.Schedule
    stamp : Stamp
        The patch of scattered light passes over it.
    preset : str
        One of PRESETS.
    axis : tuple
        Row and column of the camera's axis.
    zodiacal : float, optional
        e-/s/px; drawn between 75 and 160 otherwise, as in the first sectors.

    Returns
    -------
    photometry.files.truth.BackgroundTruth
    """
    if preset not in PRESETS:
        raise UsageError(f"{preset!r} is no background; choose one of {', '.join(PRESETS)}.")
    frames = len(schedule.start)
    size = max(stamp.height, stamp.width)
    middle = np.array([stamp.row_min + stamp.row_max - 1, stamp.col_min + stamp.col_max - 1]) / 2
    level = rng.uniform(75, 160) if zodiacal is None else zodiacal
    part = np.linspace(-0.5, 0.5, frames) if frames > 1 else np.zeros(1)
    angle = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(15, 40) * np.array([np.sin(angle), np.cos(angle)])
    steep = slope * 1000 / size * rng.uniform(0.6, 1.2)
    swell = np.sin(2 * np.pi * (part * 2 + rng.random()))
    corner, bowl, fast = rng.uniform(10, 25), rng.uniform(-6, 6), rng.uniform(60, 160)
    bursts, place = _bursts(rng, schedule, size)
    dusk = rng.uniform(10, 40) * _orbit_ends(schedule)
    straps = _straps(rng)
    has = {name: preset in (name, 'tess') for name in PRESETS}
    none = np.zeros(frames)
    sigma = max(60.0, 0.35 * size)
    height = fast * bursts if has['glow'] else none
    if preset == 'glow60':
        sigma, height = PATCH_SIGMA, none + PATCH_HEIGHT
        place = none[:, None] + rng.uniform(-0.25, 0.25, 2) * stamp.shape
    return BackgroundTruth(
        level=level * (1 + 0.05 * part) + has['tess'] * (0.3 * swell + dusk),
        gradient=(np.outer(1 + 0.3 * swell, steep if preset == 'gradient' else slope)
                  if has['gradient'] else np.zeros((frames, 2))),
        bowl=none + bowl * has['gradient'],
        corner=none + corner * (1 + 0.5 * swell) * has['tess'],
        glow=height,
        glow_place=middle + place, centre=middle, axis=np.asarray(axis, dtype='float64'),
        corner_start=2100.0, corner_scale=400.0, glow_sigma=sigma,
        strap_column=straps[0] if has['straps'] else straps[0][:0],
        strap_response=straps[1] if has['straps'] else straps[1][:0])


def _bursts(rng, schedule, size):
    """Scattered light that comes, crosses the field and goes within hours.

    Height up to 1, place from the middle of the stamp in px.
    """
    frames = len(schedule.start)
    height, place, nearest = np.zeros(frames), np.zeros((frames, 2)), np.full(frames, np.inf)
    for _ in range(max(1, round(frames * schedule.cadence / 86400 / 4))):
        peak = schedule.middle[rng.integers(frames // 4, max(frames // 4 + 1, frames - frames // 8))]
        hours = (schedule.middle - peak) * 24
        height += rng.uniform(0.5, 1) * np.exp(-0.5 * (hours / FAST_HOURS) ** 2)
        angle = rng.uniform(0, 2 * np.pi)
        way = 0.4 * size * np.outer(np.tanh(hours / (2 * FAST_HOURS)), (np.sin(angle), np.cos(angle)))
        closer = np.abs(hours) < nearest
        place[closer], nearest[closer] = way[closer], np.abs(hours)[closer]
    return np.where(height < 1e-4, 0, height), place


def _orbit_ends(schedule):
    """Light of the Earth that grows towards the end of each orbit, to 1."""
    late = np.r_[np.flatnonzero(np.diff(schedule.cadenceno) > 1), len(schedule.start) - 1]
    ends = schedule.stop[late]
    left = ends[np.searchsorted(late, np.arange(len(schedule.start)))] - schedule.middle
    return np.exp(-left / 0.4)


def _straps(rng):
    """Columns above metal straps, which send long waves back: pairs of columns here and there."""
    column, response = [], []
    place = SCIENCE.col_min + int(rng.integers(5, 40))
    while place < SCIENCE.col_max:
        width = int(rng.integers(1, 4))
        extra = rng.uniform(0.01, 0.08)
        for step in range(width):
            if place + step < SCIENCE.col_max:
                column.append(place + step)
                response.append(extra * rng.uniform(0.6, 1))
        place += int(rng.integers(15, 60))
    return np.array(column), np.array(response)
