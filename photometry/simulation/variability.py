"""Light curves of the stars that vary: transits, eclipses, pulsations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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


def _draw(rng, star, kind, start, span):
    if kind == 'pulsation':
        period = 10 ** rng.uniform(-1.0, 0.5)
        return Variable(star, kind, period, start, 10 ** rng.uniform(-3, -1.3))
    period = rng.uniform(0.15, 0.45) * min(span, 20) + 0.3
    epoch = start + rng.uniform(0.2, 0.8) * period
    deep = rng.uniform(0.1, 0.4) if kind == 'eclipse' else 10 ** rng.uniform(-2.7, -1.7)
    return Variable(star, kind, period, epoch, deep, min(0.12 * period, rng.uniform(0.08, 0.25)))
