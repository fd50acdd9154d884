"""Frames that share one expansion of a scene: their equations and the solutions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from photometry.algorithms import scene_design as design
from photometry.algorithms import scene_gaps, scene_pixels
from photometry.algorithms.pointing import monomials

CLEAR = 0.05
"""Refinement of a solution that needs no further one, in errors of the flux."""

CONVERGED = 0.3
"""Part of a refinement that the next one may have; else the frame's own matrix is factorised."""

LEAST_SEEN = 0.02
"""Part of a star's light that must fall on pixels which can be used."""

OUTSIDE_SPREAD = 0.1
"""Relative change that stars beyond the pixels are allowed."""

SKY_SPREAD = 10.0
"""Change that each term of the sky is allowed in a frame, e-/s a pixel."""

LOST = 5.0
"""Growth of the error by missing pixels beyond which a frame tells nothing about a star."""

QUARTET = 4
"""Rows that are multiplied at a time: what is left over takes as long as twice as many."""


class Found(NamedTuple):
    """Fluxes of the templates that are free, with errors: (free, frames)."""

    free: np.ndarray
    """(free,) their numbers."""
    flux: np.ndarray
    error: np.ndarray
    sky: np.ndarray
    covariance: np.ndarray
    deviation: np.ndarray
    """(free + 6, frames) from the mean scene, the sky included."""


class _Rows:
    """A matrix in single precision, filled up to whole quartets of rows."""

    def __init__(self, values):
        self.number = len(values)
        self._values = np.zeros((-(-self.number // QUARTET) * QUARTET, values.shape[1]), dtype='float32')
        self._values[:self.number] = values

    def __matmul__(self, other):
        return (self._values @ other)[:self.number]


@dataclass(frozen=True)
class Group:
    """Some frames near a common shift.

    Parameters
    ----------
    pixels : photometry.algorithms.scene_pixels.Pixels
    light : photometry.algorithms.scene_series.MovingScene
    frames : ndarray of int
    middle : ndarray (2,)
        Shift about which is expanded, px.
    """

    pixels: scene_pixels.Pixels
    light: object
    frames: np.ndarray
    middle: np.ndarray

    @cached_property
    def bands(self):
        """Templates with derivatives, `scene_design.Band`."""
        bands = self.light.bands(self.middle)
        design.add_wings(bands, self.light.wings)
        return bands

    @cached_property
    def phi(self):
        """Monomials of the shifts from the middle, (6, frames)."""
        return monomials(self.light.shift[self.frames] - self.middle)

    @cached_property
    def model(self):
        """Mean scene in the frames: images (n, rows, columns) and their coefficients (n, frames)."""
        return self.light.moved(self.bands, self.frames, self.phi)

    @cached_property
    def _lost(self):
        """Frames of which nothing is left: they keep the mean scene, and no star gets a flux."""
        return self.pixels.lost[self.frames]

    @property
    def _size(self):
        return self.light.layout.number + design.SKY_TERMS

    @cached_property
    def _columns(self):
        """Values in the middle of the members of each band and the sky, (members + 6, pixels) float64."""
        sky = self.light.sky
        return [np.concatenate([band.values[0], sky[:, band.rows].reshape(design.SKY_TERMS, -1)],
                               dtype='float64') for band in self.bands]

    @cached_property
    def _index(self):
        """Their numbers."""
        sky = self.light.layout.number + np.arange(design.SKY_TERMS)
        return [np.concatenate([band.members, sky]) for band in self.bands]

    @cached_property
    def _weighted(self):
        return [values * self.pixels.weight[band.rows].ravel()
                for band, values in zip(self.bands, self._columns, strict=True)]

    @cached_property
    def _trails(self):
        """All planes of all unknowns on the trails: (6, unknowns, trails)."""
        trails = self.pixels.trails
        return trails.added(self._planes_at(trails.flat(self.light.stamp.width)), axis=-1)

    @cached_property
    def _weighted_trails(self):
        return self._trails[0] * self.pixels.trail_weight

    @cached_property
    def held(self):
        """Part of each template's light on pixels that can be used, by themselves or in trails."""
        return self.seen + (self._trails[0] @ (self.pixels.trail_weight > 0))[:-design.SKY_TERMS]

    @cached_property
    def seen(self):
        """Part of each template's light on pixels that can be used."""
        seen = np.zeros(self._size)
        for band, values in zip(self.bands, self._columns, strict=True):
            band.add(seen, values @ (self.pixels.weight[band.rows].ravel() > 0))
        return seen[:-design.SKY_TERMS]

    @cached_property
    def number(self):
        """Pixels of each template's image that can be used."""
        number = np.zeros(self._size)
        for band, values in zip(self.bands, self._columns, strict=True):
            band.add(number, (values != 0) @ (self.pixels.weight[band.rows].ravel() > 0).astype('float64'))
        return number[:-design.SKY_TERMS].astype(int)

    @cached_property
    def information(self):
        """Inverse variance of each template's flux, were it alone."""
        found = np.zeros(self._size)
        for band, values, weighted in zip(self.bands, self._columns, self._weighted, strict=True):
            band.add(found, np.einsum('mp,mp->m', values, weighted))
        found += np.einsum('mp,mp->m', self._trails[0], self._weighted_trails)
        return found[:-design.SKY_TERMS]

    @cached_property
    def _prior(self):
        """Inverse variance that keeps each unknown at the mean scene; infinite for what is not free."""
        light = self.light
        prior = np.where(light.inside, 0.0, (OUTSIDE_SPREAD * np.abs(light.flux) + 1.0) ** -2.0)
        prior[self.seen < LEAST_SEEN] = np.inf
        spread = design.sky_spread(light.stamp.shape, SKY_SPREAD)
        return np.concatenate([prior, np.where(spread > 0, np.maximum(spread, 1e-9) ** -2.0, np.inf)])

    @cached_property
    def free(self):
        """Numbers of the unknowns that are solved for: templates, then terms of the sky."""
        return np.flatnonzero(np.isfinite(self._prior))

    @cached_property
    def normal(self):
        """``A0' W A_l`` of the free unknowns, (6, free, free), with the prior in the first.

        Second derivatives change what a star gives to its own flux; what they change
        between stars is left out.
        """
        normal, curved = np.zeros((3, self._size, self._size)), np.zeros((3, self._size))
        for band, index, values, weighted in zip(self.bands, self._index, self._columns, self._weighted,
                                                 strict=True):
            place = (index[:, None] * self._size + index[:-design.SKY_TERMS]).ravel()
            normal[0].ravel()[index[:, None] * self._size + index] += weighted @ values.T
            narrow = weighted.astype('float32')
            for plane in (1, 2):
                normal[plane].ravel()[place] += (narrow @ band.values[plane].T).ravel()
            for plane in range(3):
                curved[plane, index[:-design.SKY_TERMS]] += np.einsum(
                    'mp,mp->m', narrow[:-design.SKY_TERMS], band.values[3 + plane])
        stars = slice(-design.SKY_TERMS)
        normal[0] += self._weighted_trails @ self._trails[0].T
        normal[1:, :, stars] += self._weighted_trails @ self._trails[1:3, stars].swapaxes(1, 2)
        curved[:, stars] += np.einsum('mp,kmp->km', self._weighted_trails[stars], self._trails[3:, stars])
        made = np.zeros((6, self.free.size, self.free.size))
        made[:3] = normal[:, self.free[:, None], self.free]
        made[0].flat[::self.free.size + 1] += self._prior[self.free]
        for plane in range(3):
            np.fill_diagonal(made[3 + plane], curved[plane, self.free])
        return made

    @cached_property
    def inverse(self):
        """Inverse of the first of them."""
        scale = 1 / np.sqrt(np.diag(self.normal[0]))
        return np.linalg.inv(self.normal[0] * scale[:, None] * scale) * scale[:, None] * scale

    @cached_property
    def _whole_inverse(self):
        """The same for all unknowns, zero for what is not free."""
        made = np.zeros((self._size, self._size))
        made[np.ix_(self.free, self.free)] = self.inverse
        return made

    @cached_property
    def _operators(self):
        """What pixels of each band give to its unknowns: (members + 6, pixels)."""
        return [self._whole_inverse[np.ix_(index, index)] @ weighted
                for index, weighted in zip(self._index, self._weighted, strict=True)]

    def solve(self):
        """Fluxes of the group.

        Returns
        -------
        Found
        """
        right, square, gaps = self._project()
        deviation = self._solutions(right, gaps)
        stars = np.searchsorted(self.free, self.light.layout.number)
        growth, free = gaps.growth()[:stars], self.free[:stars]
        lost = (growth > LOST) | self._lost
        flux = np.where(lost, np.nan, self.light.flux[free][:, None] + deviation[:stars])
        error = np.where(lost, np.nan, np.sqrt(square[free]) * growth)
        sky = np.zeros((design.SKY_TERMS, self.frames.size))
        sky[self.free[stars:] - self.light.layout.number] = deviation[stars:]
        return Found(free, flux, error, sky, self.inverse[:stars, :stars], deviation)

    def _project(self):
        """Projections of images less the mean scene, variances of the stars, and `scene_gaps.Gaps`."""
        images, coefficients = self.model
        right, square = (np.zeros((self._size, self.frames.size), dtype='float32') for _ in range(2))
        static = np.zeros((self._size, len(images)))
        pixels = self.light.layout.band * self.light.stamp.width
        space = np.empty((2, pixels, self.frames.size), dtype='float32')
        missing, known = [], ~self._lost
        for band, weighted, operator in zip(self.bands, self._weighted, self._operators, strict=True):
            # Gaps spoil the variances of all unknowns: of the sky one is enough to show them.
            operators = _Rows(weighted), _Rows(np.square(operator[:1 - design.SKY_TERMS]))
            band.add(static, weighted @ images[:, band.rows].reshape(len(images), -1).T)
            data, square_errors = self.pixels.band(band.rows, self.frames, space)
            parts = operators[0] @ data, operators[1] @ square_errors
            # One pixel without a number spoils the sums of all unknowns, so that a look at one suffices.
            if not np.isfinite([part[-1, known] for part in parts]).all():
                data, square_errors, gone = self._filled(band.rows, data, square_errors)
                missing.append(gone)
                parts = operators[0] @ data, operators[1] @ square_errors
            band.add(right, parts[0])
            band.add(square, parts[1])
        if len(self.pixels.trails):
            missing.append(self._project_trails(right, square, static))
        gaps = scene_gaps.Gaps(self, self.pixels.weights, missing)
        return np.where(known, right[self.free] - static[self.free] @ coefficients, 0.0), square, gaps

    def _project_trails(self, right, square, static):
        """Add what the trails give, in place; returns where they lack pixels."""
        images, coefficients = self.model
        images, weighted = self.pixels.trails.sums(images), self._weighted_trails
        data, errors = self.pixels.of_trails(self.frames)
        gone = ~(np.isfinite(data) & np.isfinite(errors))
        data = np.where(gone, images.T @ coefficients, data)
        static += weighted @ images.T
        right += weighted @ data
        square += np.square(self._whole_inverse @ weighted) @ np.where(
            gone, np.nan_to_num(self.pixels.trail_variance, posinf=0.0)[:, None], errors)
        trails, numbers = np.nonzero(gone & ~self._lost)
        return trails + self.pixels.weight.size, numbers

    def _filled(self, rows, data, square):
        """Pixels with the mean scene in their gaps, and the gaps: (pixels, frames of the group).

        Squares of errors are filled in place.
        """
        gone = ~(np.isfinite(data) & np.isfinite(square) | self._lost)
        some, when = np.flatnonzero(gone.any(axis=1)), np.flatnonzero(gone.any(axis=0))
        part, data = np.ix_(some, when), data.copy()
        images, coefficients = self.model
        light = images[:, rows].reshape(len(images), -1)[:, some].T @ coefficients[:, when]
        variance = self.pixels.variance[rows].ravel()[some, None]
        data[part] = np.where(gone[part], light, data[part])
        square[part] = np.where(gone[part], np.where(np.isfinite(variance), variance, 1.0), square[part])
        pixels, numbers = np.nonzero(gone)
        return data, square, (pixels + rows.start * self.light.stamp.width, numbers)

    def _solutions(self, right, gaps):
        """Deviations from the mean scene, (free, frames)."""
        inverse, right = self.inverse.astype('float32'), right.astype('float32')
        solution = gaps.solved(inverse @ right)
        scale = 1 / np.sqrt(np.diag(inverse))[:, None]
        step = gaps.solved(inverse @ (right - self._own(solution, gaps)))
        solution += step
        first = np.abs(step * scale).max(axis=0, initial=0)
        rest = np.flatnonzero(~(first < CLEAR))
        if rest.size:
            some = gaps.of(rest)
            part, right = solution[:, rest], right[:, rest]
            step = some.solved(inverse @ (right - self._own(part, some, rest)))
            part += step
            last = np.abs(step * scale).max(axis=0, initial=0)
            for place in np.flatnonzero(~(last < np.maximum(CONVERGED * first[rest], CLEAR))):
                matrix = some.own_matrix(np.tensordot(self.phi[:, rest[place]], self.normal, 1), place)
                part[:, place] = np.linalg.lstsq(matrix, right[:, place], rcond=None)[0]
            solution[:, rest] = part
        return solution

    @cached_property
    def _matrices(self):
        """The matrix, what the motion adds to it, side by side, and to its diagonal; float32.

        Arrays (free, free), (free, 2 * free) and (3, free).
        """
        normal = self.normal.astype('float32')
        return normal[0], np.concatenate([*normal[1:3]], axis=1), np.diagonal(normal[3:], axis1=1, axis2=2)

    def _own(self, solution, gaps, numbers=slice(None)):
        """The frames' own matrices times the solutions."""
        phi, (middle, slopes, curved) = self.phi[:, numbers].astype('float32'), self._matrices
        moved = phi[1:3, None] * solution
        product = middle @ solution
        product += slopes @ moved.reshape(-1, solution.shape[1])
        product += (curved.T @ phi[3:]) * solution
        return gaps.own(product, solution)

    def values_at(self, flat):
        """All planes of the free unknowns at pixels, counted along the rows, and trails: (6, free, n)."""
        trail = flat >= self.pixels.weight.size
        if not trail.any():
            return self._planes_at(flat)[:, self.free]
        made = np.empty((6, self._size, len(flat)))
        made[..., ~trail] = self._planes_at(flat[~trail])
        made[..., trail] = self._trails[..., flat[trail] - self.pixels.weight.size]
        return made[:, self.free]

    def _planes_at(self, flat):
        """All planes of all unknowns at pixels, (6, unknowns, n)."""
        width = self.light.stamp.width
        member, inner = np.divmod(flat, self.light.layout.band * width)
        values = np.zeros((6, self._size, len(flat)))
        for number in np.unique(member):
            band, index, middle = (items[number] for items in (self.bands, self._index, self._columns))
            here = np.flatnonzero(member == number)
            values[:, index[:-design.SKY_TERMS, None], here] = band.values[:, :, inner[here]]
            values[0, index[:, None], here] = middle[:, inner[here]]
        return values

    def chi2(self, deviation):
        """Reduced chi square of the templates in those of the sampled frames that are in the group."""
        chosen = np.isin(self.pixels.sample, self.frames)
        numbers = np.searchsorted(self.frames, self.pixels.sample[chosen])
        full = np.zeros((self._size, numbers.size))
        full[self.free] = deviation[:, numbers]
        images, coefficients = self.model
        total, weight = np.zeros(self._size), np.zeros(self._size)
        for band, index, values, operator in zip(self.bands, self._index, self._columns, self._operators,
                                                 strict=True):
            data, square = self.pixels.sampled(band.rows, chosen)
            model = np.concatenate([images[:, band.rows].reshape(len(images), -1), values])
            model = model.T @ np.concatenate([coefficients[:, numbers], full[index]])
            used = (self.pixels.weight[band.rows].ravel() > 0)[:, None] & np.isfinite(data) & (square > 0)
            score = np.where(used, (data - model) ** 2 / np.where(used, square, 1.0), 0.0)
            core = np.abs(values)
            band.add(total, core @ score.sum(axis=1))
            # Each pixel has drawn the fit towards itself.
            left = 1 - np.einsum('up,up->p', values, operator)
            band.add(weight, core @ (left * used.sum(axis=1)))
        known = weight > LEAST_SEEN * max(numbers.size, 1)
        return np.where(known, total / np.where(known, weight, 1.0), np.nan)[:-design.SKY_TERMS]
