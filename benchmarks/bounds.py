"""Least scatter that the pixels of a simulated field allow: Cramer-Rao bounds of its stars.

Every bound is that of the true image of a star with photons, sky and read noise
and the clipping factor of the detector, for one cadence, in e-/s:

bound
    The star alone: var = 1 / sum(P^2 / var_pixel). Pixels of its bleed trail
    share their charge and count as one.
bound_of_kept
    The same without the pixels that are full or that charge has run into, and
    out to where the wing ends: what an estimator that leaves them out may reach.
bound_with_neighbours
    sqrt(diag N^-1) of all stars of the catalogue around it and a local sky (level
    and slopes), with the photons of all light, without full and bled pixels.

Each has a check by Monte-Carlo: the scatter of the ideal estimator in frames
that the simulated detector draws, over the bound.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg

from photometry.algorithms import masks
from photometry.core.stamp import Stamp
from photometry.simulation.noise import INT_TIME
from photometry.simulation.render import FAR, NEAR, far_profile
from photometry.simulation.saturation import bleed

HALF = NEAR
"""Half width of the stamps that the bound of a star alone takes in, px."""

FULL = 0.9
"""Part of the full well from which a pixel counts as saturated."""

BLED = 0.5
"""Charge from other pixels that makes a pixel useless, e-/s."""

CELL, MARGIN, REACH = 64, 12, 7
"""Cells in which neighbours are solved at once, pixels around them that enter, how far stars reach."""


@dataclass(frozen=True)
class Bounds:
    """Bounds of the stars of a simulation; stars are rows of its table."""

    simulation: object

    @cached_property
    def frame(self):
        """A clean frame in the middle of the run."""
        clean = np.flatnonzero(self.simulation.schedule.clean)
        return int(clean[len(clean) // 2])

    @cached_property
    def sky(self):
        """Typical background, e-/s a pixel."""
        return float(np.median(self._background))

    @cached_property
    def _background(self):
        return self.simulation.background.evaluate(self.frame, self.simulation.plan.stamp)

    @property
    def full(self):
        """Rate from which a pixel counts as saturated, e-/s."""
        return self.simulation.detector.full_well / INT_TIME * FULL

    @cached_property
    def light(self):
        """Light of all stars and the sky on the stamp, charge where it ran to: (rows, columns)."""
        return self._exposed[0]

    @cached_property
    def kept(self):
        """Pixels of the stamp that are neither full nor bled into."""
        return self._exposed[1]

    @cached_property
    def _exposed(self):
        starlight = self.simulation.starlight
        rate = starlight.render(np.zeros(2)).astype('f8')
        rate += self.simulation.background.evaluate(self.frame, starlight.canvas)
        held = rate.copy()
        bleed(held, self.simulation.detector.full_well / INT_TIME)
        kept = (held < self.full) & (np.abs(held - rate) < BLED)
        return starlight.crop(held), starlight.crop(kept)

    def variance(self, light, stamp):
        """True variance of pixels, (e-/s)^2."""
        return self.simulation.detector.variance(light, np.arange(stamp.col_min, stamp.col_max))

    def saturates(self, star):
        """Whether the star fills pixels by itself."""
        _, part = self.image(star)
        return float(self.simulation.stars['flux'][star] * part.max()) > self.full

    def image(self, star, half=HALF):
        """Stamp around a star and the parts of its light there; the far wing only where half > HALF."""
        renderer = self.simulation.renderer
        row, column = (float(self.simulation.stars[star][name]) for name in ('row', 'column'))
        values, row0, column0 = renderer.stamps(row, column)
        wide = half - HALF
        stamp = Stamp(int(row0[0]) - wide, int(row0[0]) + half + HALF + 1,
                      int(column0[0]) - wide, int(column0[0]) + half + HALF + 1)
        part = np.pad(values[0].astype('f8'), wide)
        if wide:
            rows = np.arange(stamp.row_min, stamp.row_max)[:, None] - row
            columns = np.arange(stamp.col_min, stamp.col_max) - column
            part += renderer.wing_amplitude(np.array([row]), np.array([column])) * far_profile(
                rows, columns, renderer.wing.exponent)
        return stamp, part

    def alone(self, star, flux=None):
        """`bound` of the module's docstring; of another flux where one is given."""
        stamp, part = self.image(star)
        flux = self.simulation.stars['flux'][star] if flux is None else flux
        variance = self.variance(flux * part + self.sky, stamp)
        full = masks.saturated(flux * part, self.full)
        information = (part ** 2 / variance)[~full].sum()
        if full.any():
            information += part[full].sum() ** 2 / variance[full].sum()
        return float(information ** -0.5)

    def of_kept(self, star, half=FAR):
        """`bound_of_kept` of the module's docstring, infinite where no pixel is kept."""
        stamp, part = self.image(star, half)
        inner = stamp.clipped(self.simulation.plan.stamp)
        spot = inner.slices(self.simulation.plan.stamp[::2])
        part = part[inner.slices(stamp[::2])]
        information = (part ** 2 / self.variance(self.light[spot], inner))[self.kept[spot]].sum()
        return float(information ** -0.5) if information > 0 else np.inf

    @cached_property
    def with_neighbours(self):
        """`bound_with_neighbours` of all stars, (stars,); NaN outside the stamp and without entry."""
        stamp, stars = self.simulation.plan.stamp, self.simulation.stars
        found = np.full(len(stars), np.nan)
        for low in range(stamp.row_min, stamp.row_max, CELL):
            for left in range(stamp.col_min, stamp.col_max, CELL):
                cell = Stamp(low, low + CELL, left, left + CELL).clipped(stamp)
                inside = [cell.contains(row, column) for row, column
                          in zip(stars['row'], stars['column'], strict=True)]
                region, index, design, variance = self._region(cell)
                own = np.isin(index, np.flatnonzero(inside))
                found[index[own]] = np.sqrt(_diagonal(design, variance, len(index)))[own]
        return found

    def _region(self, cell):
        """Region around a cell, its stars, templates of them and of the sky (pixels, n), variances."""
        stars = self.simulation.stars
        region = cell.grown(*[MARGIN] * 4).clipped(self.simulation.plan.stamp)
        wide = region.grown(*[REACH] * 4)
        near = [wide.contains(row, column) for row, column in zip(stars['row'], stars['column'], strict=True)]
        index = np.flatnonzero(stars['listed'] & near)
        spot = region.slices(self.simulation.plan.stamp[::2])
        kept = self.kept[spot].ravel()
        design = np.empty((kept.sum(), len(index) + 3), dtype='f4')
        for number, template in enumerate(self._templates(region, index)):
            design[:, number] = template.ravel()[kept]
        slopes = np.meshgrid(*(np.linspace(-1, 1, size) for size in region.shape), indexing='ij')
        for number, term in enumerate((np.ones(region.shape), *slopes)):
            design[:, len(index) + number] = term.ravel()[kept]
        variance = self.variance(self.light[spot], region).ravel()[kept]
        return region, index, design, variance

    def _templates(self, region, index):
        values, row0, column0 = self.simulation.renderer.stamps(
            self.simulation.stars['row'][index], self.simulation.stars['column'][index])
        side = values.shape[1]
        canvas = region.grown(*[side + REACH] * 4)
        for value, row, column in zip(values, row0 - canvas.row_min, column0 - canvas.col_min, strict=True):
            image = np.zeros(canvas.shape, dtype='f4')
            image[row:row + side, column:column + side] = value
            yield image[region.slices(canvas[::2])]


def _normal(design, variance):
    weighed = design / np.sqrt(variance).astype('f4')[:, None]
    return (weighed.T @ weighed).astype('f8')


def _diagonal(design, variance, count):
    """Diagonal of the inverse of the normal matrix for the first so many columns."""
    normal = _normal(design, variance)
    scale = np.sqrt(np.maximum(normal.diagonal(), 1e-30))
    # Stars of which hardly a pixel lies in the region would make it singular; float32 sums are good to 1e-6.
    normal = normal / np.outer(scale, scale) + 1e-7 * np.eye(len(scale))
    inverse = linalg.inv(normal, check_finite=False)
    return (inverse.diagonal() / scale ** 2)[:count]


def check_alone(bounds, star, draws=2000, seed=1):
    """Scatter of the ideal estimator over the bound, from drawn frames of the star alone.

    Pixels of a bleed trail are added up, as in the bound.
    """
    detector = bounds.simulation.detector
    stamp, part = bounds.image(star)
    columns = np.arange(stamp.col_min, stamp.col_max)
    light = bounds.simulation.stars['flux'][star] * part + bounds.sky
    weight = part / detector.variance(light, columns)
    images, _ = detector.expose(np.tile(light.astype('f4'), (draws, 1)), columns, np.random.default_rng(seed))
    images = images.reshape(draws, *light.shape) - bounds.sky
    found = np.tensordot(images, weight, 2) / (weight * part).sum()
    return float(np.std(found) / bounds.alone(star))


def check_of_kept(bounds, star, draws=1000, seed=1):
    """The same for `bound_of_kept`: all light of the field, charge runs, full and bled pixels left out."""
    stamp, part = bounds.image(star, FAR)
    inner = stamp.clipped(bounds.simulation.plan.stamp)
    spot = inner.slices(bounds.simulation.plan.stamp[::2])
    part = part[inner.slices(stamp[::2])] * bounds.kept[spot]
    weight = part / bounds.variance(bounds.light[spot], inner)
    found = [(image[spot] * weight).sum() for image in _frames(bounds, draws, seed)]
    return float(np.std(found) / (weight * part).sum() / bounds.of_kept(star))


def check_with_neighbours(bounds, draws=600, seed=1):
    """Median over the stars of the first cell of the same for `bound_with_neighbours`."""
    stamp, stars = bounds.simulation.plan.stamp, bounds.simulation.stars
    cell = Stamp(stamp.row_min, stamp.row_min + CELL, stamp.col_min, stamp.col_min + CELL).clipped(stamp)
    region, index, design, variance = bounds._region(cell)
    spot = region.slices(stamp[::2])
    kept = bounds.kept[spot].ravel()
    pixels = np.stack([image[spot].ravel()[kept] for image in _frames(bounds, draws, seed)])
    normal = _normal(design, variance) + np.diag(1e-9 * _normal(design, variance).diagonal())
    found = linalg.solve(normal, design.T.astype('f8') @ (pixels / variance).T, assume_a='pos')
    inside = [cell.contains(stars['row'][star], stars['column'][star]) for star in index]
    ratio = found[:len(index)].std(axis=1)[inside] / bounds.with_neighbours[index[inside]]
    return float(np.median(ratio))


def _frames(bounds, draws, seed):
    """Drawn frames of one noiseless scene."""
    simulation, rng = bounds.simulation, np.random.default_rng(seed)
    starlight = simulation.starlight
    rate = starlight.render(np.zeros(2))
    rate += simulation.background.evaluate(bounds.frame, starlight.canvas).astype('f4')
    columns = np.arange(starlight.canvas.col_min, starlight.canvas.col_max)
    for _ in range(draws):
        yield starlight.crop(simulation.detector.expose(rate.copy(), columns, rng)[0]).astype('f8')
