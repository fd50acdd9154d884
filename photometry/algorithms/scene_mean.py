"""All stars of a region fitted at once to its mean image: fluxes, positions, sky."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from photometry.algorithms import far_light
from photometry.algorithms import scene_design as design
from photometry.algorithms.prf import CORE
from photometry.algorithms.trails import Trails
from photometry.core.stamp import Stamp

SPREAD = 0.5
"""Standard deviation of the prior of a flux, over the flux that is expected."""

SKY_SPREAD = 10.0
"""Standard deviation of the prior of each term of the sky, e-/s a pixel."""

SHIFT_SPREAD = 0.1
"""Of the shift that all stars have in common, px."""

POSITION_SPREAD = 0.05
"""Of each star's own displacement from its catalogue position, px."""

MERGED = 0.5
"""Distance below which stars share one template, px."""

DROWNED, DROWNS = 1e-3, 4
"""Light of a brighter star around a faint one's place, over that one's own there, below which both share one
template, too: images are not known to such a part. Looked for so many px from a star."""

WIDE = 3.0
"""Light that the wing of a wide star puts on some pixel of the region, e-/s."""

FEW = 80
"""Stars up to which all are placed at once."""

PLACED = 500.0
"""Flux of stars that are placed wherever they stand, e-/s."""

SETTLED, RESTING = 0.001, 0.1
"""Errors of positions that need no further pass: px, or in errors of a position in a single frame."""

STRAY = 0.01
"""Part of the stars that need not rest: in a blend of many some place may go on for long."""

MOST_PASSES = 5
MOST_STEP = 0.5
"""Displacement that one pass may make, px."""


@dataclass(frozen=True)
class MeanScene:
    """The mean image of a region, explained.

    Attributes
    ----------
    stamp : Stamp
    prf : photometry.algorithms.prf.PRF
    row, column : ndarray (stars,)
        Refined positions, zero-based on the CCD.
    flux : ndarray (stars,)
        e-/s; stars that share a template are given their expected shares.
    sky : ndarray (6,)
        Coefficients of `scene_design.sky_basis`, e-/s a pixel.
    shift : ndarray (2,)
        Median displacement of the stars from the catalogue, px.
    layout : photometry.algorithms.scene_design.Layout
    variance : ndarray (rows, columns)
        Infinite for pixels that were not used by themselves.
    trails : photometry.algorithms.trails.Trails
        Pixels that were added up.
    trail_variance : ndarray (trails,)
    residual : ndarray (rows, columns)
        Image less model, NaN where there is no image.
    starlight : ndarray (rows, columns)
        Light of all stars.
    far : ndarray (rows, columns)
        Light of compact stars beyond their templates.
    chi2 : ndarray (stars,)
        Reduced, over the pixels around each star.
    seen : ndarray (stars,)
        Part of each star's light that falls on pixels which can be used.
    held : ndarray (stars,)
        The same with the trails.
    equations : tuple
        Cholesky factor and scales of the last equations.
    """

    stamp: Stamp
    prf: object
    row: np.ndarray
    column: np.ndarray
    flux: np.ndarray
    sky: np.ndarray
    shift: np.ndarray
    layout: design.Layout
    variance: np.ndarray
    trails: Trails
    trail_variance: np.ndarray
    residual: np.ndarray
    starlight: np.ndarray
    far: np.ndarray
    chi2: np.ndarray
    seen: np.ndarray
    held: np.ndarray
    equations: tuple = field(repr=False)

    @property
    def template_flux(self):
        """Fluxes of the templates, (templates,)."""
        return self.layout.sums(self.flux)

    @cached_property
    def covariance(self):
        """Of the template fluxes, with the variance given: (templates, templates)."""
        from scipy.linalg import cho_solve
        factor, spread = self.equations
        count = self.layout.number
        inverse = cho_solve(factor, np.eye(spread.size)[:, :count], check_finite=False)[:count]
        return inverse * spread[:count, None] * spread[:count]

    def merged_with(self, star):
        """Other stars that share a star's template, (n,) of int."""
        others = np.flatnonzero(self.layout.template == self.layout.template[star])
        return others[others != star]

    def trails_on(self, stamp):
        """Trails that lie on a stamp as a whole, and their variances.

        Returns
        -------
        trails : photometry.algorithms.trails.Trails
            Pixels of the stamp.
        variance : ndarray (trails,)
        """
        down, right = stamp.row_min - self.stamp.row_min, stamp.col_min - self.stamp.col_min
        on = self.trails.lie_within((down, down + stamp.height), (right, right + stamp.width))
        return self.trails.chosen(on).moved(-down, -right), self.trail_variance[on]

    def sky_image(self):
        """Fitted sky, (rows, columns)."""
        return np.tensordot(self.sky, design.sky_basis(self.stamp.shape), 1)


def groups_of(prf, row, column, expected):
    """Numbers of groups of stars that share a template, (stars,) of int.

    Groups hang together by stars that are closer than `MERGED`, or of which one is `DROWNED`.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree
    tree = cKDTree(np.stack([row, column], axis=1))
    near = tree.query_pairs(MERGED, output_type='ndarray')
    pairs = np.concatenate([near, _drowned(prf, row, column, expected, tree)])
    if not len(pairs):
        return np.arange(row.size)
    graph = coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(row.size,) * 2)
    return connected_components(graph, directed=False)[1]


def _drowned(prf, row, column, expected, tree):
    """Pairs (n, 2) of a star and one that is drowned in its light."""
    bright = np.flatnonzero(expected > expected.min(initial=np.inf) / DROWNED)
    if not bright.size:
        return np.empty((0, 2), dtype=int)
    near = tree.query_ball_point(np.stack([row[bright], column[bright]], axis=1), DROWNS)
    pairs = np.array([(one, other) for one, others in zip(bright, near, strict=True) for other in others
                      if expected[other] < DROWNED * expected[one]], dtype=int).reshape(-1, 2)
    if not len(pairs):
        return pairs
    one, other = pairs.T
    images, row0, column0 = prf.render_at(row[one], column[one], DROWNS)
    place = [np.rint(axis[other]).astype(int) - first
             for axis, first in ((row, row0), (column, column0))]
    inside = np.logical_and(*[(axis >= 0) & (axis <= 2 * DROWNS) for axis in place])
    over = images[np.arange(len(one)), *(np.clip(axis, 0, 2 * DROWNS) for axis in place)]
    peak = prf.render_at(row[other], column[other], 1)[0].max(axis=(1, 2))
    return pairs[inside & (expected[other] * peak < DROWNED * expected[one] * over)]


def fit_mean(image, variance, prf, row, column, expected, stamp, *, blur=None, refine=True,
             settle=None, position_spread=POSITION_SPREAD, trails=None):
    """Fluxes and positions of all stars of a region, with its sky.

    Weighted least squares in fluxes, sky and displacements, linearised about the
    last positions and repeated, with Gaussian priors: on a flux around what is
    expected of it, on displacements around the shift that all stars share.

    Parameters
    ----------
    image : ndarray (rows, columns)
        Mean image, background subtracted, e-/s; NaN where unknown.
    variance : ndarray (rows, columns)
        What model and image may differ by, squared; infinite for pixels not to be used.
    prf : photometry.algorithms.prf.PRF
    row, column, expected : ndarray (stars,)
        Catalogue positions and fluxes.
    stamp : Stamp
    blur : photometry.algorithms.scene_design.Blur, optional
        Motion over the frames of the mean.
    refine : bool
        Whether positions are fitted.
    settle : Stamp, optional
        Where each star has a displacement of its own; elsewhere only those that are
        brighter than `PLACED` do, the others follow the shift that all share.
    position_spread : float
        Expected error of catalogue positions, px.
    trails : photometry.algorithms.trails.Trails, optional
        Pixels between which charge may run: their sums are fitted.

    Returns
    -------
    MeanScene
    """
    row, column, expected = (np.array(values, dtype='float64') for values in (row, column, expected))
    expected = np.maximum(expected, 1.0)
    groups = groups_of(prf, row, column, expected) if row.size else np.zeros(0, dtype=int)
    layout = design.make_layout(row, expected, groups, _is_wide(prf, row, column, expected, stamp))
    fit = _Fit(image, variance, prf, layout, stamp, blur, position_spread, trails or Trails.none())
    placed = expected > PLACED
    if settle is None or refine is False:
        placed[:] = refine
    else:
        placed |= ((row > settle.row_min - 1) & (row < settle.row_max)
                   & (column > settle.col_min - 1) & (column < settle.col_max))
    return fit.run(row, column, expected, refine, np.unique(layout.template[placed]))


def _is_wide(prf, row, column, flux, stamp):
    """Stars whose wings are columns of their own, (stars,) of bool."""
    if prf.wing is None:
        return np.zeros(row.size, dtype=bool)
    away = [np.maximum(np.maximum(low - axis, axis - high), 0) for axis, low, high in (
        (row, stamp.row_min, stamp.row_max - 1), (column, stamp.col_min, stamp.col_max - 1))]
    distance = np.maximum(np.hypot(*away), CORE / 2)
    return flux * prf.wing.amplitude * distance ** -prf.wing.exponent > WIDE


class _Solution(NamedTuple):
    """Unknowns of one pass: fluxes, displacements (own and common), sky."""

    flux: np.ndarray
    own: np.ndarray
    common: np.ndarray
    sky: np.ndarray
    parts: list
    """Values of the unknowns that matter in each band, and what was found for these."""
    factor: tuple
    """Cholesky factor of the equations, scaled with ``spread``."""
    spread: np.ndarray
    rest: np.ndarray
    """(2, placed) displacements that no longer matter, px."""


class _Fit:
    """The passes of `fit_mean`."""

    def __init__(self, image, variance, prf, layout, stamp, blur, position_spread, trails):
        self.prf, self.layout, self.stamp, self.blur = prf, layout, stamp, blur
        self.position_spread = position_spread
        self.image = np.asarray(image, dtype='float64')
        variance = np.asarray(variance, dtype='float64')
        used = np.isfinite(self.image) & np.isfinite(variance) & (variance > 0)
        self.trails = trails
        self.trail_weight = 1 / trails.sums(np.where(used, variance, np.inf))
        used &= ~trails.mask(stamp.shape)
        self.variance = np.where(used, variance, np.inf)
        self.weight = np.where(used, 1 / np.where(used, variance, 1.0), 0.0)
        self.root = np.sqrt(self.weight)
        self.sky = design.sky_basis(stamp.shape)

    def run(self, row, column, expected, refine, placed):
        """Repeat linear fits until the positions rest.

        Parameters
        ----------
        row, column, expected : ndarray (stars,)
        refine : bool
        placed : ndarray of int
            Templates with displacements of their own.
        """
        layout, start = self.layout, (row, column)
        light = layout.sums(expected)
        flux, own, common = light, np.zeros((2, layout.number)), np.zeros(2)
        for number in range(MOST_PASSES):
            bands = self._bands(row, column)
            if number < 2:
                far = self._far_light(row, column, flux[layout.template] * layout.share)
            # At first the bright ones and what all have in common: the places of others depend on them.
            first = number == 0 and layout.number > FEW
            free = placed[light[placed] > PLACED] if first else placed
            solution = self._solve(bands, far, light, flux, own, common, refine, free)
            step = solution.common[:, None] + solution.own - common[:, None] - own
            flux, own, common = solution.flux, solution.own, solution.common
            step = np.clip(step, -MOST_STEP, MOST_STEP)
            moved = step[:, layout.template]
            row, column = row + moved[0], column + moved[1]
            # The next step is about the square of this one, in px.
            moving = (step[:, free] ** 2 > solution.rest).any(axis=0)
            if not refine or (number and moving.sum() <= STRAY * free.size):
                break
        return self._scene(solution, bands, row, column, start, far)

    def _bands(self, row, column):
        bands = design.render_bands(self.prf, row, column, self.layout, self.stamp, 1, blur=self.blur)
        design.add_wings(bands, design.wings(self.prf, row, column, self.layout, self.stamp))
        return bands

    def _far_light(self, row, column, flux):
        compact = self.layout.template >= self.layout.wide
        return far_light.on_region(self.prf, row[compact], column[compact], flux[compact], self.stamp)

    def _solve(self, bands, far, light, flux, own, common, moving, placed):
        """One linear fit in fluxes, sky and, where stars are moving, displacements."""
        from scipy.linalg import cho_factor, cho_solve
        count, terms = self.layout.number, design.SKY_TERMS
        spread = [light * SPREAD, design.sky_spread(self.stamp.shape, SKY_SPREAD),
                  np.full(2, SHIFT_SPREAD if moving else 0.0), np.full(2 * placed.size, self.position_spread)]
        offset = [light, np.zeros(terms), -common, -own[:, placed].ravel()]
        spread, offset = np.concatenate(spread), np.concatenate(offset)
        normal, right = np.zeros((spread.size,) * 2), np.zeros(spread.size)
        data = self.root * np.where(self.weight > 0, self.image - far, 0.0)
        columns = [self._columns(band, flux, moving, placed) for band in bands]
        space = np.empty(max(values.size for _, values in columns))
        for band, (index, values) in zip(bands, columns, strict=True):
            white = np.multiply(values, self.root[band.rows].ravel(),
                                out=space[:values.size].reshape(values.shape))
            normal.ravel()[index[:, None] * spread.size + index] += white @ white.T
            right[index] += white @ data[band.rows].ravel()
        sums = self._trail_sums(bands, columns, spread.size)
        right += sums @ (self.trail_weight * self._trail_light(far))
        normal += (sums * self.trail_weight) @ sums.T
        first = count + terms + 2
        with np.errstate(divide='ignore'):
            rest = np.maximum(RESTING / np.sqrt(np.diag(normal)[first:]), SETTLED).reshape(2, -1)
        right = spread * (right - normal @ offset)
        normal *= spread[:, None]
        normal *= spread
        normal.flat[::spread.size + 1] += 1
        # The transpose is the same matrix, in the order that LAPACK works on in place.
        factor = cho_factor(normal.T, lower=True, overwrite_a=True, check_finite=False)
        solution = offset + spread * cho_solve(factor, right, check_finite=False)
        parts = [(values, solution[index]) for index, values in columns]
        moved = np.zeros((2, count))
        moved[:, placed] = solution[first:].reshape(2, placed.size)
        return _Solution(solution[:count], own + moved, common + solution[first - 2:first],
                         solution[count:first - 2], parts, factor, spread, rest)

    def _trail_light(self, far):
        """What the trails hold for the fit to explain, (trails,)."""
        return np.where(self.trail_weight > 0, self.trails.sums(np.nan_to_num(self.image) - far), 0.0)

    def _trail_sums(self, bands, columns, size):
        """What unknowns put on the trails, (unknowns, trails), from what they put on bands."""
        made, trails, width = np.zeros((size, len(self.trails))), self.trails, self.stamp.width
        if not len(trails):
            return made
        member = trails.number
        for band, (index, values) in zip(bands, columns, strict=True):
            here = np.flatnonzero((trails.row >= band.rows.start) & (trails.row < band.rows.stop))
            pixels = (trails.row[here] - band.rows.start) * width + trails.column[here]
            for number, pixel in zip(member[here], pixels, strict=True):
                made[index, number] += values[:, pixel]
        return made

    def _columns(self, band, flux, moving, placed):
        """Numbers and values of the unknowns that matter in a band."""
        count, members = self.layout.number, band.members
        first = count + design.SKY_TERMS + 2
        index = [members, count + np.arange(design.SKY_TERMS)]
        values = [band.values[0], self.sky[:, band.rows].reshape(design.SKY_TERMS, -1)]
        if moving:
            slopes = band.values[1:3] * flux[members, None]
            index.append(first - 2 + np.arange(2))
            values.append(slopes.sum(axis=1))
            place = np.searchsorted(placed, members)
            own = np.flatnonzero(np.append(placed, -1)[place] == members)
            index += [first + place[own], first + placed.size + place[own]]
            values += [*slopes[:, own]]
        return np.concatenate(index), np.concatenate(values)

    def _model(self, bands, parts, far):
        """The image that a solution makes, (rows, columns)."""
        model = np.empty(self.stamp.shape)
        for band, (values, found) in zip(bands, parts, strict=True):
            model[band.rows] = (found @ values).reshape(-1, self.stamp.width)
        return model + far

    def _scene(self, solution, bands, row, column, start, far):
        layout = self.layout
        seen, square = np.zeros(layout.number), np.zeros(layout.number)
        used = self.weight > 0
        model = self._model(bands, solution.parts, far)
        residual = self.image - model
        score = np.where(used, self.weight * np.where(used, residual, 0.0) ** 2, 0.0)
        for band in bands:
            seen[band.members] += band.values[0] @ used[band.rows].ravel()
            square[band.members] += band.values[0] @ score[band.rows].ravel()
        total = np.where(seen > 1e-6, seen, np.nan)
        columns = [(band.members, band.values[0]) for band in bands]
        held = seen + self._trail_sums(bands, columns, layout.number) @ (self.trail_weight > 0)
        moved = [float(np.median(now - before)) if now.size else 0.0
                 for now, before in zip((row, column), start, strict=True)]
        known = self.trail_weight > 0
        return MeanScene(
            self.stamp, self.prf, row, column, solution.flux[layout.template] * layout.share, solution.sky,
            np.array(moved), layout, self.variance, self.trails.chosen(known), 1 / self.trail_weight[known],
            residual,
            model - np.tensordot(solution.sky, self.sky, 1), far,
            (square / total)[layout.template], seen[layout.template], held[layout.template],
            (solution.factor, solution.spread))
