"""How the sky wanders over the pixels: jitter, drift and a breath of roll."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from photometry.core.quality import CadenceFlag

DRIFT_DAYS = 5.0


@dataclass(frozen=True)
class Motion:
    """Displacement of every star in every frame: ``shift + matrix (position - centre)``."""

    shift: np.ndarray
    """(frames, 2): rows and columns, px."""
    matrix: np.ndarray
    """(frames, 2, 2)."""
    centre: np.ndarray
    """(2,): row and column, zero-based."""

    def offsets(self, frame, row, column):
        """Displacement of stars in one frame, shape (n, 2)."""
        place = np.stack([row, column], axis=-1) - self.centre
        return self.shift[frame] + place @ self.matrix[frame].T

    def positions(self, row, column):
        """Rows and columns of stars in all frames, two arrays (n, frames)."""
        place = np.stack([row, column], axis=-1) - self.centre
        moved = place[:, None] + self.shift + np.einsum('tij,nj->nti', self.matrix, place)
        return moved[..., 0] + self.centre[0], moved[..., 1] + self.centre[1]


def scattered(motion, rng, rms):
    """The same motion with every frame off by a random step more, px rms along each axis."""
    return replace(motion, shift=motion.shift + rms * rng.standard_normal(motion.shift.shape))


def make_motion(rng, schedule, centre, *, jitter=0.003, drift=0.15, roll=2e-6):
    """A pointing history.

    Parameters
    ----------
    rng : numpy.random.Generator
    schedule : photometry.simulation.schedule.Schedule
    centre : tuple
        Row and column about which the field rolls.
    jitter : float
        Rms in px of what is left of the jitter in a frame; half of it lasts for hours.
    drift : float
        Distance in px between the first and the last frame through slow drift; runs of
        less than DRIFT_DAYS go the part of it that their length allows.
    roll : float
        Rms of roll and of scale.

    Returns
    -------
    Motion
    """
    time = schedule.start - schedule.start.mean()
    phase = 2 * time / max(np.ptp(time), 1e-9)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array([np.sin(angle), np.cos(angle)])
    across = along[::-1] * (1, -1)
    far = drift * min(1.0, np.ptp(time) / DRIFT_DAYS)
    path = far * (np.outer(phase / 2, along) + 0.15 * np.outer(phase ** 2 - 0.3, across))
    shift = path + jitter * (_wander(rng, schedule, (2,)) + rng.standard_normal(path.shape)) / np.sqrt(2)
    coarse = (schedule.quality & (CadenceFlag.COARSE_POINT | CadenceFlag.DESATURATION)) != 0
    shift[coarse] += 0.2 * rng.standard_normal((coarse.sum(), 2))
    turn, scale = roll * _wander(rng, schedule, (2,)).T
    matrix = np.stack([np.stack([scale, -turn], axis=-1), np.stack([turn, scale], axis=-1)], axis=1)
    return Motion(shift, matrix, np.asarray(centre, dtype='float64'))


def _wander(rng, schedule, shape, hours=6.0):
    """Correlated noise of unit variance with a memory of some hours, shape (frames, *shape)."""
    memory = np.exp(-schedule.cadence / 3600 / hours)
    kicks = rng.standard_normal((len(schedule.start), *shape))
    made = np.empty_like(kicks)
    made[0] = kicks[0]
    for frame in range(1, len(kicks)):
        made[frame] = memory * made[frame - 1] + np.sqrt(1 - memory ** 2) * kicks[frame]
    return made
