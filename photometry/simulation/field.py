"""A small field in memory with its truth, for tests and benchmarks."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photometry.core.stamp import Stamp
from photometry.files.truth import Truth
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import Simulation, stamp_of_size


@dataclass(frozen=True)
class Field:
    """Images with noise and what they were made from; rates in e-/s."""

    images: np.ndarray
    """(rows, columns, frames) float32; background included."""
    errors: np.ndarray
    """(rows, columns, frames) float32, as the mission states them (see `sigma_factor`)."""
    saturated: np.ndarray
    """(rows, columns, frames) bool."""
    simulation: Simulation

    @property
    def stamp(self) -> Stamp:
        """Pixels of the CCD."""
        return self.simulation.plan.stamp

    @property
    def stars(self):
        """Structured array: starid, row, column (zero-based CCD pixels), tmag, flux, ..."""
        return self.simulation.stars

    @property
    def times(self):
        """(frames,) mid-exposure, BTJD."""
        return self.simulation.times

    @property
    def quality(self):
        """(frames,) cadence flags."""
        return self.simulation.schedule.quality

    @property
    def clean(self):
        """(frames,) frames that hold light and carry no flag."""
        return self.simulation.schedule.clean

    @property
    def motion(self):
        """(frames, 2) common displacement in rows and columns, px."""
        return self.simulation.motion.shift

    @property
    def detector(self):
        """Read-out: ``variance(rate, column)`` is the true noise."""
        return self.simulation.detector

    @property
    def sigma_factor(self) -> float:
        """True noise over ``errors``: the clipping leaves less than the reads kept suggest."""
        detector = self.detector
        return detector.factor * (detector.n_readout / detector.num_frm) ** 0.5

    @cached_property
    def truth(self) -> Truth:
        """As in the truth file."""
        return self.simulation.truth

    @cached_property
    def flux(self):
        """(stars, frames) true light of every star."""
        light = np.repeat(self.stars['flux'][:, None], len(self.times), axis=1)
        light[self.truth.variable] *= self.truth.relative
        return light

    @cached_property
    def positions(self):
        """Rows and columns of all stars in all frames: two arrays (stars, frames)."""
        return self.simulation.motion.positions(self.stars['row'], self.stars['column'])

    def background(self, frame):
        """(rows, columns) true background of a frame."""
        return self.simulation.background.evaluate(frame, self.stamp)

    @cached_property
    def backgrounds(self):
        """(rows, columns, frames) float32 true background."""
        on = self.simulation.background.on(self.stamp)
        return _stacked((on.frame(frame) for frame in range(len(self.times))), self.stamp, len(self.times))

    def starlight(self, frame):
        """(rows, columns) float32: true starlight of a frame, before wells fill up."""
        return self.simulation.starlight.crop(self.simulation.starlight_of(frame))


def simulate_field(seed, rows=256, columns=256, frames=300, *, density='crowded', background='quiet',
                   row=None, column=None, gap=False, faults=False, **choices) -> Field:
    """Simulate a field in memory.

    Parameters
    ----------
    seed : int
    rows, columns, frames : int
    density : str
        sparse, typical, crowded (1100 stars to Tmag 15 in 256 x 256 px), isolated or bright.
    background : str
        quiet, gradient, glow, straps, tess or glow60.
    row, column : int, optional
        First row and column (zero-based on the CCD, 44 columns leading); the middle otherwise.
    gap, faults : bool
        Whether there is a mid-sector gap, and flagged and empty frames.
    **choices
        Further fields of `photometry.simulation.plan.SectorPlan`: sector, camera, ccd, cadence,
        number, faint, bright, zodiacal, wing, prf_width, prf_asymmetry, jitter, drift, pointing_scatter,
        catalog_error, catalog_limit, variables, transits, companions, crmiten ...

    Returns
    -------
    Field
        Frames that a file would lack are there, too; ``clean`` leaves them out.
    """
    plan = SectorPlan(seed=seed, frames=frames, stamp=stamp_of_size(rows, columns, row, column),
                      preset=density, background=background, gap=gap, faults=faults, **choices)
    simulation = Simulation(plan)
    shape = (rows, columns, frames)
    images, errors = np.empty(shape, dtype='float32'), np.empty(shape, dtype='float32')
    saturated = np.zeros(shape, dtype=bool)
    frames_made = simulation.frames(range(frames))
    for first in range(0, frames, 32):
        part = slice(first, min(first + 32, frames))
        made = list(itertools.islice(frames_made, part.stop - part.start))
        images[..., part] = np.stack([frame.image for frame in made], axis=-1)
        errors[..., part] = np.stack([frame.uncertainty for frame in made], axis=-1)
        saturated[..., part] = np.stack([frame.saturated for frame in made], axis=-1)
    return Field(images, errors, saturated, simulation)


def _stacked(made, stamp, count):
    cube = np.empty((*stamp.shape, count), dtype='float32')
    for number, image in enumerate(made):
        cube[..., number] = image
    return cube
