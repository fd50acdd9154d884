"""Light curves of the stars that vary: transits, eclipses, pulsations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.core.errors import UsageError

KINDS = ('transit', 'eclipse', 'pulsation')


@dataclass(frozen=True)
class Variable:
    """One star that varies; times in days."""

    star: int
    """Row of the star in its table."""
    kind: str
    period: float
    epoch: float
    """A time of mid-transit, of mid-eclipse or of phase 0 (BTJD of this star)."""
    depth: float
    """Relative depth, or amplitude of the pulsation."""
    duration: float = 0.0
    """From first to last contact, days."""

    def relative(self, time):
        """Light over that at rest at barycentric times (BTJD of this star)."""
        if self.kind == 'pulsation':
            angle = 2 * np.pi * (time - self.epoch) / self.period
            return 1 + self.depth * (np.sin(angle) + 0.3 * np.sin(2.37 * angle + 1) + 0.1 * np.sin(2 * angle))
        light = 1 - self.depth * self._dip(time, self.epoch)
        if self.kind == 'eclipse':
            light -= 0.4 * self.depth * self._dip(time, self.epoch + self.period / 2)
        return light

    def _dip(self, time, epoch):
        """Trapezium of height 1, a fifth of the duration for each flank."""
        away = np.abs((time - epoch + self.period / 2) % self.period - self.period / 2)
        return np.clip((self.duration / 2 - away) / (0.2 * self.duration), 0, 1)


def draw_variables(rng, stars, times, fraction):
    """Choose stars that vary.

    Parameters
    ----------
    rng : numpy.random.Generator
    stars : int
        Number of stars, brightest first.
    times : tuple
        First and last time, BTJD.
    fraction : float
        Part of the stars that vary.

    Returns
    -------
    list of Variable
    """
    count = min(stars, int(np.ceil(fraction * stars))) if fraction else 0
    chosen = np.sort(rng.permutation(stars)[:count])
    span = max(times[1] - times[0], 1.0)
    return [_draw(rng, int(star), KINDS[number % len(KINDS)], times[0], span)
            for number, star in enumerate(chosen)]


def transits(rng, stars, times, entries):
    """Transits that a plan injects.

    Parameters
    ----------
    rng : numpy.random.Generator
        For the epochs that are left open.
    stars : int
        Number of stars.
    times : tuple
        First and last time, BTJD.
    entries : tuple of tuples
        Star, depth, period, duration and, maybe, epoch of mid-transit; days, BTJD.

    Returns
    -------
    list of Variable

    Raises
    ------
    UsageError
        Where there is no such star, or the shape is impossible.
    """
    made = []
    for star, depth, period, duration, *epoch in entries:
        if star >= stars or not (0 <= depth <= 1 and 0 < duration < period):
            raise UsageError(f'No star of {stars} can have the transit {(star, depth, period, duration)}; '
                             'give a row of the table, a depth up to 1, a duration shorter than the period.')
        drawn = times[0] + rng.uniform(0.1, 0.9) * min(period, times[1] - times[0])
        made.append(Variable(int(star), 'transit', period, epoch[0] if epoch else drawn, depth, duration))
    return made


def _draw(rng, star, kind, start, span):
    if kind == 'pulsation':
        period = 10 ** rng.uniform(-1.0, 0.5)
        return Variable(star, kind, period, start, 10 ** rng.uniform(-3, -1.3))
    period = rng.uniform(0.15, 0.45) * min(span, 20) + 0.3
    epoch = start + rng.uniform(0.2, 0.8) * period
    deep = rng.uniform(0.1, 0.4) if kind == 'eclipse' else 10 ** rng.uniform(-2.7, -1.7)
    return Variable(star, kind, period, epoch, deep, min(0.12 * period, rng.uniform(0.08, 0.25)))
