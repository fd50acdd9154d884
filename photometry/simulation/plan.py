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
    """Density: sparse, typical, crowded, isolated or bright."""
    number: int | None = None
    """Stars on the stamp, instead of what the density says."""
    faint: float = 15.0
    bright: float | None = None
    background: str = 'tess'
    """quiet, gradient, glow, straps, tess (all of it) or glow60 (one broad patch that stays)."""
    zodiacal: float | None = None
    wing: float | None = None
    """Part of a star's light beyond 13 x 13 px; drawn from 0.02 to 0.05 otherwise."""
    exponent: float = 3.0
    prf_width: float = 1.0
    """How much wider stars are than the official responses say."""
    prf_asymmetry: float = 0.0
    """Length of a one-sided tail of every star, px; see `photometry.simulation.shape.Shape`."""
    jitter: float = 0.003
    drift: float = 0.15
    roll: float = 2e-6
    pointing_scatter: float = 0.0
    """Px rms along each axis that every frame is off on top of the other motion."""
    catalog_error: float = 0.0
    """Px rms along each axis by which stars stand beside their places in the catalogue."""
    catalog_limit: float | None = None
    """Tmag; fainter stars shine without an entry in the catalogue."""
    variables: float = 0.0
    """Part of the stars that vary."""
    added: tuple = ()
    """(number, bright, faint): more stars on the stamp, uniform in Tmag, after the others."""
    transits: tuple = ()
    """(star, depth, period, duration[, epoch]) of injected transits: rows of the table of
    stars; days; BTJD of the star."""
    companions: tuple = ()
    """(star, distance, magnitudes[, angle]) of stars put beside others: px, how much fainter
    (negative: brighter), deg from the rows towards the columns. They come last in the table."""
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
        if self.preset not in stars.WORDS:
            raise UsageError(f"{self.preset!r} is no density; choose one of {', '.join(stars.WORDS)}.")
        if self.background not in background.PRESETS:
            raise UsageError(f"{self.background!r} is no background; choose one of "
                             f"{', '.join(background.PRESETS)}.")
        if self.number is not None and self.number < 0:
            raise UsageError(f'There cannot be {self.number} stars; give a number from 0.')
        if self.wing is not None and not 0 < self.wing < 0.5:
            raise UsageError(f'A wing cannot hold {self.wing} of the light; give a part between 0 and 0.5.')
        if not 0 <= self.variables <= 1:
            raise UsageError(f'A part of {self.variables} of the stars cannot vary; give 0 to 1.')
        self._check_variants()

    def _check_variants(self):
        for name, low, high in (('prf_width', 0.8, 1.25), ('prf_asymmetry', 0, 1),
                                ('pointing_scatter', 0, 2), ('catalog_error', 0, 5)):
            if not low <= getattr(self, name) <= high:
                raise UsageError(f'{name} cannot be {getattr(self, name)}; it lies between {low} and {high}.')
        for name, least, most in (('transits', 4, 5), ('companions', 3, 4)):
            entries = tuple(tuple(entry) for entry in getattr(self, name))
            if any(not least <= len(entry) <= most or entry[0] < 0 for entry in entries):
                raise UsageError(f'{name} are tuples of {least} to {most} numbers, a star first.')
            object.__setattr__(self, name, entries)
        if self.added and (len(self.added) != 3 or self.added[0] < 0):
            raise UsageError('added is a number of stars with the limits of their magnitudes.')

    @property
    def clipped(self) -> bool:
        """Whether extremes are dropped on board."""
        return self.cadence >= 120 if self.crmiten is None else self.crmiten

    def rng(self, stream, frame=0):
        """Random numbers of one purpose, independent of all others."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(STREAMS[stream], frame)))


STREAMS = {name: number for number, name in enumerate(
    ('schedule', 'stars', 'motion', 'background', 'variables', 'wing', 'noise', 'pointing', 'cosmic',
     'scatter', 'catalog', 'transits', 'companions', 'added', 'targets'))}
"""Order matters: it is part of what a seed means."""
