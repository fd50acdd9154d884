"""The pixels that a simulated mission sends down around single stars, and what it says about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.core.coordinates import ccd_output
from photometry.core.errors import UsageError
from photometry.core.quality import ApertureFlag
from photometry.core.stamp import Stamp
from photometry.simulation.scene import Starlight

CADENCES = (20, 120)
"""Seconds."""

SIDE = 11
"""Rows and columns of a target pixel file."""

BRIGHT, ROWS = 7.0, 20
"""Magnitude from which charge bleeds, and rows that are added for each magnitude more."""

BACKGROUND_ERROR = 0.05
"""By which the mission's background of a cadence is wrong, the same in all pixels, e-/s."""

MOTION_ERROR = 5e-4
"""By which the mission's POS_CORR is, px rms along each axis."""

DARK = 3.0
"""Starlight below which a pixel serves for the background, e-/s."""

OUTPUTS = np.array([ApertureFlag.OUTPUT_A, ApertureFlag.OUTPUT_B, ApertureFlag.OUTPUT_C,
                    ApertureFlag.OUTPUT_D], dtype='int32')


@dataclass(frozen=True, eq=False)
class Target:
    """A star with the pixels around it."""

    star: int
    """Row of the table of stars."""
    stamp: Stamp
    aperture: np.ndarray
    """(rows, columns) bits of `~photometry.core.quality.ApertureFlag`."""


def choose_targets(simulation, number) -> list[Target]:
    """The brightest stars of the catalogue on the pixels of a simulation.

    Raises
    ------
    UsageError
        When there are fewer, or for a cadence that target pixel files do not have.
    """
    plan, stars = simulation.plan, simulation.stars
    if plan.cadence not in CADENCES:
        raise UsageError(f'Target pixel files have cadences of 20 or 120 s, not {plan.cadence} s; choose '
                         'another --cadence.')
    on = [star for star in np.argsort(stars['tmag'], kind='stable').tolist() if stars['listed'][star]
          and plan.stamp.contains(stars['row'][star], stars['column'][star])]
    if len(on) < number:
        raise UsageError(f'Only {len(on)} stars of the catalogue lie on the pixels, not {number}; ask for '
                         'more --stars or a larger --size.')
    return [_target(simulation, star) for star in on[:number]]


def _target(simulation, star):
    stars = simulation.stars
    rows = SIDE + 2 * int(np.ceil(ROWS * max(BRIGHT - stars['tmag'][star], 0) / 2))
    stamp = Stamp.around(stars['row'][star], stars['column'][star], rows, SIDE).clipped(simulation.plan.stamp)
    return Target(star, stamp, _aperture(simulation, star, stamp))


def _aperture(simulation, star, stamp):
    """All pixels collected; those that make the star's signal to noise greatest are the optimal ones."""
    own = Starlight(simulation.renderer, stamp, *(simulation.stars[name][[star]] for name in
                                                  ('row', 'column', 'flux')))
    light = own.crop(own.render(np.zeros(2)))
    starlight = simulation.starlight
    every = starlight.render(np.zeros(2))[stamp.slices(starlight.canvas[::2])]
    columns = np.arange(stamp.col_min, stamp.col_max)
    variance = simulation.detector.variance(every + 100.0, columns)
    order = np.argsort(-(light / np.sqrt(variance)).ravel())
    signal = np.cumsum(light.ravel()[order]) / np.sqrt(np.cumsum(variance.ravel()[order]))
    optimal = np.zeros(light.size, dtype=bool)
    optimal[order[:int(np.argmax(signal)) + 1]] = True
    optimal = optimal.reshape(light.shape)
    bits = np.full(stamp.shape, int(ApertureFlag.COLLECTED), dtype='int32') | OUTPUTS[ccd_output(columns)]
    bits[optimal] |= ApertureFlag.PHOTOMETRY | ApertureFlag.CENTROID
    bits[every < DARK] |= ApertureFlag.BACKGROUND
    return bits


@dataclass(frozen=True, eq=False)
class TargetSeries:
    """What a target pixel file says in each of some frames; (frames, ...)."""

    flux: np.ndarray
    flux_err: np.ndarray
    background: np.ndarray
    pos_corr: np.ndarray
    time: np.ndarray
    """BTJD of the star."""
    timecorr: np.ndarray


def expose(simulation, targets, frames, report=iter) -> list[TargetSeries]:
    """Take frames and cut the pixels of the targets out of them.

    Parameters
    ----------
    simulation : photometry.simulation.sector.Simulation
    targets : list of Target
    frames : ndarray of int
    report : callable
        Wraps the frames as they are made.
    """
    images = [[np.empty((len(frames), *target.stamp.shape), dtype='float32') for target in targets]
              for _ in range(2)]
    whole = simulation.plan.stamp
    for number, made in enumerate(report(simulation.frames(frames))):
        for place, target in enumerate(targets):
            part = target.stamp.slices(whole[::2])
            images[0][place][number], images[1][place][number] = made.image[part], made.uncertainty[part]
    return [_series(simulation, target, frames, image, error)
            for target, image, error in zip(targets, *images, strict=True)]


def _series(simulation, target, frames, image, error):
    star = simulation.stars[target.star]
    rng = simulation.plan.rng('targets', int(star['starid']) % 2 ** 31)
    background = simulation.background.on(target.stamp)
    sky = np.array([background.frame(frame) for frame in frames], dtype='float32')
    sky += (BACKGROUND_ERROR * rng.standard_normal((len(frames), 1, 1))).astype('float32')
    row, column = simulation.motion.positions(star['row'][None], star['column'][None])
    motion = np.stack([row[0] - star['row'], column[0] - star['column']], axis=1)[frames]
    middle = simulation.schedule.middle[frames]
    timecorr = simulation.sky.correction(middle, star['ra'], star['decl'])
    return TargetSeries(image - sky, error, sky, motion + MOTION_ERROR * rng.standard_normal(motion.shape),
                        middle + timecorr, timecorr)
