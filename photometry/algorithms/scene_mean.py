"""All stars of a region fitted at once to its mean image: fluxes, positions, sky."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from photometry.algorithms import scene_design as design
from photometry.core.stamp import Stamp

SPREAD = 1.0
"""Standard deviation of the prior of a flux, over the flux that is expected."""

SKY_SPREAD = 10.0
"""Standard deviation of the prior of each term of the sky, e-/s a pixel."""

SHIFT_SPREAD = 0.3
"""Of the shift that all stars have in common, px."""

POSITION_SPREAD = 0.05
"""Of each star's own displacement from its catalogue position, px."""

MERGED = 0.5
"""Distance below which stars share one template, px."""

WIDE = 4e4
"""Flux of stars whose wings are followed over the whole region, e-/s."""

SETTLED = 0.003
"""Displacement of a pass, px, below which positions need no further one."""

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
        Infinite for pixels that were not used.
    residual : ndarray (rows, columns)
        Image less model, NaN where there is no image.
    far : ndarray (rows, columns)
        Light of compact stars beyond their templates.
    covariance : ndarray (templates, templates)
        Of the template fluxes, with the variance given.
    chi2 : ndarray (stars,)
        Reduced, over the pixels around each star.
    seen : ndarray (stars,)
        Part of each star's light that falls on pixels which can be used.
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
    residual: np.ndarray
    far: np.ndarray
    covariance: np.ndarray
    chi2: np.ndarray
    seen: np.ndarray

    @property
    def template_flux(self):
        """Fluxes of the templates, (templates,)."""
        return np.bincount(self.layout.template, weights=self.flux, minlength=self.layout.number)

    def merged_with(self, star):
        """Other stars that share a star's template, (n,) of int."""
        others = np.flatnonzero(self.layout.template == self.layout.template[star])
        return others[others != star]

    def sky_image(self):
        """Fitted sky, (rows, columns)."""
        return np.tensordot(self.sky, design.sky_basis(self.stamp.shape), 1)


def groups_of(row, column, limit=MERGED):
    """Numbers of groups of stars that hang together by distances below a limit, (stars,) of int."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree
    pairs = cKDTree(np.stack([row, column], axis=1)).query_pairs(limit, output_type='ndarray')
    graph = coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(row.size,) * 2)
    return connected_components(graph, directed=False)[1]


def fit_mean(image, variance, prf, row, column, expected, stamp, *, blur=None, refine=True,
             position_spread=POSITION_SPREAD):
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
    blur : ndarray (3,), optional
        Covariance of the motion over the frames of the mean: (rr, rc, cc), px^2.
    refine : bool
        Whether positions are fitted.
    position_spread : float
        Expected error of catalogue positions, px.

    Returns
    -------
    MeanScene
    """
    row, column, expected = (np.array(values, dtype='float64') for values in (row, column, expected))
    expected = np.maximum(expected, 1.0)
    groups = groups_of(row, column) if row.size else np.zeros(0, dtype=int)
    layout = design.make_layout(row, expected, groups, expected > WIDE)
    fit = _Fit(image, variance, prf, layout, stamp, blur, position_spread)
    return fit.run(row, column, expected, refine)


class _Solution(NamedTuple):
    """Unknowns of one pass: fluxes, displacements (own and common), sky, and what is left."""

    flux: np.ndarray
    own: np.ndarray
    common: np.ndarray
    sky: np.ndarray
    covariance: np.ndarray
    residual: np.ndarray


class _Fit:
    """The passes of `fit_mean`."""

    def __init__(self, image, variance, prf, layout, stamp, blur, position_spread):
        self.prf, self.layout, self.stamp, self.blur = prf, layout, stamp, blur
        self.position_spread = position_spread
        self.image = np.asarray(image, dtype='float64')
        variance = np.asarray(variance, dtype='float64')
        used = np.isfinite(self.image) & np.isfinite(variance) & (variance > 0)
        self.variance = np.where(used, variance, np.inf)
        self.weight = np.where(used, 1 / np.where(used, variance, 1.0), 0.0)
        self.sky = design.sky_basis(stamp.shape)

    def run(self, row, column, expected, refine):
        """Repeat linear fits until the positions rest."""
        layout, start = self.layout, (row, column)
        light = np.bincount(layout.template, weights=expected, minlength=layout.number)
        flux, own, common, far = light, np.zeros((2, layout.number)), np.zeros(2), None
        for number in range(MOST_PASSES):
            bands = self._bands(row, column)
            if number < 2:
                far = self._far_light(row, column, flux[layout.template] * layout.share)
            solution = self._solve(bands, far, light, flux, own, common, refine + (refine and number > 0))
            step = solution.common[:, None] + solution.own - common[:, None] - own
            flux, own, common = solution.flux, solution.own, solution.common
            step = np.clip(step, -MOST_STEP, MOST_STEP)[:, layout.template]
            row, column = row + step[0], column + step[1]
            if not refine or (number and np.abs(step).max(initial=0) < SETTLED):
                break
        return self._scene(solution, bands, row, column, start, far)

    def _bands(self, row, column):
        bands = design.render_bands(self.prf, row, column, self.layout, self.stamp,
                                    1 if self.blur is None else 2)
        if self.blur is not None:
            for band in bands:
                band.values[0] += np.tensordot(self.blur * (0.5, 1.0, 0.5), band.values[3:], 1)
        return bands

    def _far_light(self, row, column, flux):
        compact = self.layout.template >= self.layout.wide
        return design.far_light(self.prf, row[compact], column[compact], flux[compact], self.stamp)

    def _solve(self, bands, far, light, flux, own, common, freedom):
        """One linear fit; ``freedom`` 0 for fluxes alone, 1 for a common shift too, 2 for every star's."""
        count, shape = self.layout.number, self.stamp.shape
        spread = np.concatenate([
            SPREAD * light, np.full(2 * count, self.position_spread if freedom > 1 else 0.0),
            np.full(2, SHIFT_SPREAD if freedom else 0.0), np.full(design.SKY_TERMS, SKY_SPREAD)])
        offset = np.concatenate([light, -own.ravel(), -common, np.zeros(design.SKY_TERMS)])
        normal = np.diag((spread == 0).astype('float64'))
        free = spread > 0
        right, size = np.zeros(spread.size), spread.size
        columns = []
        for band in bands:
            index, values = self._columns(band, flux, freedom)
            columns.append((index, values))
            weight = self.weight[band.rows].ravel()
            target = (self.image - far)[band.rows].ravel()
            target = np.where(weight > 0, target, 0.0)
            weighted = values * weight
            normal[np.ix_(index, index)] += weighted @ values.T
            right[index] += weighted @ target
        free_index = np.flatnonzero(free)
        scale = spread[free_index]
        inner = normal[np.ix_(free_index, free_index)]
        right = right[free_index] - inner @ offset[free_index]
        matrix = inner * scale[:, None] * scale + np.eye(scale.size)
        inverse = np.linalg.inv(matrix)
        solution = offset.copy()
        solution[free_index] += scale * (inverse @ (scale * right))
        residual = np.empty(shape)
        for band, (index, values) in zip(bands, columns, strict=True):
            residual[band.rows] = ((self.image - far)[band.rows]
                                   - (solution[index] @ values).reshape(-1, shape[1]))
        step = solution[count:3 * count].reshape(2, count) if freedom > 1 else np.zeros((2, count))
        both = solution[3 * count:3 * count + 2] if freedom else np.zeros(2)
        covariance = inverse[:count, :count] * light[:, None] * light * SPREAD ** 2
        return _Solution(solution[:count], own + step, common + both, solution[size - design.SKY_TERMS:],
                         covariance, residual)

    def _columns(self, band, flux, freedom):
        """Numbers and values of the unknowns that matter in a band."""
        count, members = self.layout.number, band.members
        sky = self.sky[:, band.rows].reshape(design.SKY_TERMS, -1)
        index = [members, 3 * count + 2 + np.arange(design.SKY_TERMS)]
        values = [band.values[0], sky]
        if freedom:
            gradients = band.values[1:3] * flux[members][:, None]
            index.append(3 * count + np.arange(2))
            values.append(gradients.sum(axis=1))
            if freedom > 1:
                index += [count + members, 2 * count + members]
                values += [*gradients]
        return np.concatenate(index), np.concatenate(values)

    def _scene(self, solution, bands, row, column, start, far):
        layout = self.layout
        share = np.zeros(layout.number), np.zeros(layout.number), np.zeros(layout.number)
        seen, square, total = share
        used = self.weight > 0
        score = np.where(used, self.weight * np.where(used, solution.residual, 0.0) ** 2, 0.0)
        for band in bands:
            values = band.values[0]
            seen[band.members] += values @ used[band.rows].ravel()
            square[band.members] += values @ score[band.rows].ravel()
        total = np.where(seen > 0, seen, np.nan)
        moved = [float(np.median(now - before)) if now.size else 0.0
                 for now, before in zip((row, column), start, strict=True)]
        return MeanScene(
            self.stamp, self.prf, row, column, solution.flux[layout.template] * layout.share, solution.sky,
            np.array(moved), layout, self.variance, solution.residual, far, solution.covariance,
            (square / total)[layout.template], seen[layout.template])
