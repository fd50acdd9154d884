"""Which of several light curves of a star is the best: the rule, over what each of them shows.

It is written down in docs/methods/choice.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from photometry.algorithms import metrics

PREFERENCE = ('linpsf', 'aperture', 'psf', 'halo')
"""Order in which methods are held for the best while nothing speaks against it."""

MARGIN = 0.03
"""Part by which noise or scatter must be smaller to change the choice."""

CERTAINTY = 2.5
"""Standard errors by which the scatter of two light curves must differ before it counts."""

VARIABILITY = 1e-3
"""Part of their light by which neighbours are taken to vary: what goes into a sum of pixels unseen."""

BLOCKS = 16
"""Parts of a light curve that must agree about which one scatters less."""

LEAST_PAIRS = 3 * BLOCKS
"""Cadences below which scatter says nothing."""


@dataclass(frozen=True)
class Evidence:
    """What speaks for or against the light curve of one method.

    Attributes
    ----------
    method : str
    error : float
        Median FLUX_ERR: what the method itself expects, e-/s.
    flux : ndarray (times,)
        e-/s; NaN where the cadence is not good.
    leak : float
        Light of neighbours whose changes cannot be told from the star's, e-/s.
    overfit : float
        Scatter out of sample over that in the sample, for methods that fit the series itself.
    merged : bool
        FLUX is, and says that it is, the sum with stars that cannot be told from this one.
    """

    method: str
    error: float
    flux: np.ndarray = field(compare=False, repr=False)
    leak: float = 0.0
    overfit: float = 1.0
    merged: bool = False

    @property
    def noise(self) -> float:
        """Standard deviation that is expected, variability of neighbours included, e-/s."""
        return float(np.hypot(self.error, self._leaking))

    @property
    def _leaking(self):
        return VARIABILITY * self.leak

    @cached_property
    def deviations(self):
        """Flux less its median, (times,), e-/s."""
        known = self.flux[np.isfinite(self.flux)]
        return self.overfit * (self.flux - (np.median(known) if known.size else 0.0))

    @cached_property
    def steps(self):
        """Changes of flux from each cadence to the next over the root of two, (times - 1,), e-/s."""
        return self.overfit * np.diff(self.flux) / np.sqrt(2)

    @cached_property
    def spread(self) -> float:
        """Standard deviation of all cadences, the star's own variability included, e-/s."""
        return float(np.hypot(metrics.mad(self.deviations), self._leaking))

    @cached_property
    def scatter(self) -> float:
        """Standard deviation of a cadence that the ones beside it do not foretell, e-/s."""
        return float(np.hypot(metrics.mad(self.steps), self._leaking))


def best(found, saturated=False):
    """The evidence to keep, and why.

    Where a method says that the star cannot be told from others, those that give it a share
    of the light that nothing measured are passed over, unless the star is saturated.

    The preferred method is held until another one is better: by its spread over all
    cadences, else by its scatter from each to the next, both by `MARGIN` and beyond
    doubt; where neither can tell, by the noise that it expects.

    Parameters
    ----------
    found : sequence of Evidence
        At least one; their order does not matter.
    saturated : bool

    Returns
    -------
    Evidence, str
    """
    merged = [item for item in found if item.merged and not saturated]
    held, *rivals = sorted(merged or found, key=lambda item: (_preference(item.method), item.method))
    only = 'the only sum of merged stars' if len(found) > 1 else 'the only light curve'
    why = 'preferred' if rivals else only
    for rival in rivals:
        word = _advantage(rival, held)
        if word:
            held, why = rival, word
    return held, why


def _preference(method):
    return PREFERENCE.index(method) if method in PREFERENCE else len(PREFERENCE)


def _advantage(rival, held):
    """Why a rival is better, or nothing."""
    for name, series in (('spread', 'deviations'), ('scatter', 'steps')):
        ours, theirs = getattr(rival, name), getattr(held, name)
        if min(ours, theirs) < (1 - MARGIN) * max(ours, theirs) and abs(
                certainty(getattr(rival, series), getattr(held, series))) > CERTAINTY:
            return f'less {name}' if ours < theirs else ''
    return 'less expected noise' if rival.noise < (1 - MARGIN) * held.noise else ''


def certainty(one, other):
    """Standard errors by which deviations of one light curve are larger than those of another.

    Both hold the same star in the same cadences, so that its own variability is
    in both deviations a, b of a pair. (a^2 - b^2) / (a^2 + b^2) is near zero where that
    rules and bounded where one of them has an outlier; its mean is zero for light
    curves of the same variance (after Morgan 1939 and Pitman 1939, Biometrika 31). Its
    error is taken from the means of `BLOCKS` parts, which knows of slow changes.

    Parameters
    ----------
    one, other : ndarray (times,)
        NaN where unknown.
    """
    power = one ** 2 + other ** 2
    known = np.isfinite(power) & (power > 0)
    if known.sum() < LEAST_PAIRS:
        return 0.0
    balance = (one[known] ** 2 - other[known] ** 2) / power[known]
    means = np.array([part.mean() for part in np.array_split(balance, BLOCKS)])
    error = max(means.std(ddof=1) / np.sqrt(BLOCKS), balance.std() / np.sqrt(balance.size))
    return float(means.mean() / error) if error > 0 else 0.0
