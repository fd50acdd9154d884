"""What to simulate: one value with everything that is chosen, not drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.core.coordinates import SCIENCE
from photometry.core.errors import UsageError
from photometry.core.stamp import Stamp
from photometry.simulation import background, stars
from photometry.simulation.schedule import CADENCES


@dataclass(frozen=True)
class SectorPlan:
    """A sector of one CCD, or of a part of it.

    Raises
    ------
    UsageError
        Where a value is impossible.
    """

    seed: int = 0
    sector: int = 5
    camera: int = 2
    ccd: int = 2
    frames: int = 3
    cadence: int = 1800
    """Seconds, one of CADENCES."""
    stamp: Stamp = SCIENCE
    preset: str = 'typical'
    """Density: sparse, typical, crowded or isolated."""
    number: int | None = None
    """Stars on the stamp, instead of what the density says."""
    faint: float = 15.0
    bright: float | None = None
    background: str = 'tess'
    """quiet, gradient, glow, straps or tess (all of it)."""
    zodiacal: float | None = None
    wing: float | None = None
    """Part of a star's light beyond 13 x 13 px; drawn from 0.02 to 0.05 otherwise."""
    exponent: float = 3.0
    jitter: float = 0.003
    drift: float = 0.15
    roll: float = 2e-6
    variables: float = 0.0
    """Part of the stars that vary."""
    gap: bool = True
    faults: bool = True
    crmiten: bool | None = None
    """On-board clipping; by default for cadences of 120 s and more."""
    cosmic_rays: bool = False

    def __post_init__(self):
        for name, low, high in (('sector', 1, 9999), ('camera', 1, 4), ('ccd', 1, 4), ('frames', 1, 200_000),
                                ('seed', 0, 2 ** 63)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f'There is no {name} {value}; it lies between {low} and {high}.')
        if self.cadence not in CADENCES:
            raise UsageError(f'A cadence of {self.cadence} s is unknown; choose one of '
                             f'{", ".join(map(str, CADENCES))}.')
        if min(self.stamp.shape) < 1 or self.stamp.clipped(SCIENCE) != self.stamp:
            raise UsageError(f'The pixels {tuple(self.stamp)} do not lie on the science pixels '
                             f'{tuple(SCIENCE)} (rows, then columns); choose another size or corner.')
        if self.preset not in (*stars.PRESETS, stars.ISOLATED):
            raise UsageError(f"{self.preset!r} is no density; choose {', '.join(stars.PRESETS)} "
                             f'or {stars.ISOLATED}.')
        if self.background not in background.PRESETS:
            raise UsageError(f"{self.background!r} is no background; choose one of "
                             f"{', '.join(background.PRESETS)}.")
        if self.number is not None and self.number < 0:
            raise UsageError(f'There cannot be {self.number} stars; give a number from 0.')
        if self.wing is not None and not 0 < self.wing < 0.5:
            raise UsageError(f'A wing cannot hold {self.wing} of the light; give a part between 0 and 0.5.')
        if not 0 <= self.variables <= 1:
            raise UsageError(f'A part of {self.variables} of the stars cannot vary; give 0 to 1.')

    @property
    def clipped(self) -> bool:
        """Whether extremes are dropped on board."""
        return self.cadence >= 120 if self.crmiten is None else self.crmiten

    def rng(self, stream, frame=0):
        """Random numbers of one purpose, independent of all others."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(STREAMS[stream], frame)))


STREAMS = {name: number for number, name in enumerate(
    ('schedule', 'stars', 'motion', 'background', 'variables', 'wing', 'noise', 'pointing', 'cosmic'))}
"""Order matters: it is part of what a seed means."""
