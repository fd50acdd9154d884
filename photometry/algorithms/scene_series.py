"""Fluxes of all stars of a region in every frame, from one factorisation a group of frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.algorithms import scene_design as design

REACH = 0.1
"""Shift up to which frames share the expansion about the mean image, px."""

CELL = 0.12
"""Size of the cells by which frames further off are grouped, px."""

REFINEMENTS = 2
"""Times that a solution is held against the frame's own matrix."""

CONVERGED = 0.3
"""Part of its size in the refinement before that the last one may have, in flux errors."""

LEAST_SEEN = 0.02
"""Part of a star's light that must fall on pixels which can be used."""

OUTSIDE_SPREAD = 0.1
"""Relative change that stars beyond the region are allowed."""

SKY_SPREAD = 10.0
"""Change that each term of the sky is allowed in a frame, e-/s a pixel."""

MOST_MASKED = 60
"""Missing pixels of a frame up to which its matrix is corrected, not factorised anew."""

LOST = 5.0
"""Growth of the error by missing pixels beyond which a frame tells nothing about a star."""

SAMPLE = 48
"""Frames from which typical errors and the reduced chi square are taken."""


@dataclass(frozen=True)
class SceneSeries:
    """Fluxes of the stars of a region in every frame.

    Attributes
    ----------
    mean : photometry.algorithms.scene_mean.MeanScene
    template_flux, template_err : ndarray (templates, times)
        e-/s, the sum of the stars that share a template; NaN where nothing is known.
    sky : ndarray (6, times)
        Coefficients of `scene_design.sky_basis`.
    covariance : ndarray (templates, templates)
        Of the fluxes of a typical frame; NaN for templates without usable pixels.
    template_chi2 : ndarray (templates,)
        Reduced, over the pixels of the template, in a sample of the frames.
    """

    mean: object
    template_flux: np.ndarray
    template_err: np.ndarray
    sky: np.ndarray
    covariance: np.ndarray
    template_chi2: np.ndarray

    @property
    def flux(self):
        """Fluxes (stars, times), e-/s; the sum for stars that share a template."""
        return self.template_flux[self.mean.layout.template]

    @property
    def flux_err(self):
        """Standard errors (stars, times), e-/s."""
        return self.template_err[self.mean.layout.template]

    @property
    def chi2(self):
        """Reduced chi square (stars,)."""
        return self.template_chi2[self.mean.layout.template]


def fit_series(images, errors, mean, shift, good):
    """Fluxes of all stars in every frame, with weights that do not change.

    Frame t is the mean scene, moved, and deviations: the equations
    ``A0' W (y_t - A_t f) = 0``, where A0 holds the templates at the mean positions of
    a group of frames and A_t those of the frame itself, to second order in its
    shift. They are solved with the inverse of ``A0' W A0``, then refined against
    ``A0' W A_t``.

    Parameters
    ----------
    images, errors : float32 ndarray (rows, columns, times)
        Pixels of ``mean.stamp`` with standard errors, e-/s; NaN where not to be used.
    mean : photometry.algorithms.scene_mean.MeanScene
    shift : ndarray (times, 2)
        Motion against the mean image at the middle of the region, px; NaN where unknown.
    good : ndarray (times,) of bool
        Frames from which typical errors are taken.

    Returns
    -------
    SceneSeries
    """
    return _Series(images, errors, mean, np.asarray(shift, dtype='float64'), good).run()


def frame_groups(shift):
    """Frames that share an expansion: list of (frames, middle).

    Those near the mean position make one group, the others are grouped by cells.
    """
    known = np.isfinite(shift).all(axis=1)
    near = known & (np.hypot(*np.where(known[:, None], shift, 0.0).T) <= REACH)
    groups = [(np.flatnonzero(near), np.zeros(2))] if near.any() else []
    far = np.flatnonzero(known & ~near)
    if far.size:
        cells, member = np.unique(np.round(shift[far] / CELL).astype(int), axis=0, return_inverse=True)
        groups += [(far[member.ravel() == number], shift[far[member.ravel() == number]].mean(axis=0))
                   for number in range(len(cells))]
    return groups


class _Series:
    """What `fit_series` needs in each group of frames."""

    def __init__(self, images, errors, mean, shift, good):
        self.images, self.errors, self.mean, self.shift = images, errors, mean, shift
        self.times = shift.shape[0]
        sample = np.flatnonzero(good if good.any() else np.isfinite(shift[:, 0]))
        self.sample = sample[np.linspace(0, sample.size - 1, min(SAMPLE, sample.size)).astype(int)]
        self._find_masked(good)
        variance = _mean_finite(errors[..., self.sample].astype('float64') ** 2)
        used = np.isfinite(mean.variance) & np.isfinite(variance) & (variance > 0) & ~self.dead
        self.variance = np.where(used, variance, np.inf)
        self.weight = np.where(used, 1 / np.where(used, variance, 1.0), 0.0)
        self.basis = design.sky_basis(mean.stamp.shape)

    def _find_masked(self, good):
        """Pixels and frames without a number; pixels without one in most frames are dead."""
        whole = (np.isfinite(self.images.sum(axis=-1)) & np.isfinite(self.errors.sum(axis=-1)))
        self.gappy = np.argwhere(~whole)
        self.dead = np.zeros(whole.shape, dtype=bool)
        pixels, frames = [], []
        for row, column in self.gappy:
            missing = ~(np.isfinite(self.images[row, column]) & np.isfinite(self.errors[row, column]))
            if missing[good].mean() > 0.5 if good.any() else missing.mean() > 0.5:
                self.dead[row, column] = True
            else:
                frames.append(np.flatnonzero(missing))
                pixels.append(np.full(frames[-1].size, row * whole.shape[1] + column))
        self.masked_pixel = np.concatenate(pixels) if pixels else np.zeros(0, dtype=int)
        self.masked_frame = np.concatenate(frames) if frames else np.zeros(0, dtype=int)

    def run(self):
        layout = self.mean.layout
        size = layout.number
        self.flux, self.err = np.full((size, self.times), np.nan), np.full((size, self.times), np.nan)
        self.sky = np.full((design.SKY_TERMS, self.times), np.nan)
        self.covariance, self.chi2 = np.full((size, size), np.nan), np.full(size, np.nan)
        groups = frame_groups(self.shift)
        for number in np.argsort([-len(frames) for frames, _ in groups], kind='stable'):
            frames, middle = groups[number]
            _Group(self, frames, middle, first=number == 0).solve()
        return SceneSeries(self.mean, self.flux, self.err, self.sky, self.covariance, self.chi2)


class _Group:
    """Frames that share an expansion."""

    def __init__(self, series, frames, middle, first):
        self.series, self.frames, self.first = series, frames, first
        mean = series.mean
        self.bands = design.render_bands(mean.prf, mean.row + middle[0], mean.column + middle[1],
                                         mean.layout, mean.stamp, 2)
        self.phi = design.monomials(series.shift[frames] - middle)
        self.mean_flux = mean.template_flux
        self.models = np.stack([design.combined(self.bands, self.mean_flux, mean.stamp.shape, plane)
                                for plane in range(6)])
        self.models[0] += mean.far + mean.sky_image()

    def solve(self):
        series, frames = self.series, self.frames
        self._normal()
        right, square = self._project()
        solution, growth = self._solutions(right)
        count = series.mean.layout.number
        self._chi2(solution)
        free = self.free[:-design.SKY_TERMS]
        flux = self.mean_flux[free][:, None] + solution[:free.size]
        error = np.sqrt(square[:free.size]) * growth[:free.size]
        lost = ~(growth[:free.size] < LOST)
        series.flux[np.ix_(free, frames)] = np.where(lost, np.nan, flux)
        series.err[np.ix_(free, frames)] = np.where(lost, np.nan, error)
        series.sky[:, frames] = series.mean.sky[:, None] + solution[free.size:]
        if self.first:
            series.covariance[np.ix_(free, free)] = self.inverse[:free.size, :free.size]
        assert count >= free.size

    def _normal(self):
        """``A0' W A_l`` for all planes l, the free unknowns, and the inverse of the first with its prior."""
        series, mean = self.series, self.series.mean
        count = mean.layout.number
        size = count + design.SKY_TERMS
        self.normal = np.zeros((6, size, size))
        seen = np.zeros(count)
        self.weighted, self.index = [], []
        for band in self.bands:
            weight = series.weight[band.rows].ravel()
            sky = series.basis[:, band.rows].reshape(design.SKY_TERMS, -1)
            index = np.concatenate([band.members, count + np.arange(design.SKY_TERMS)])
            weighted = np.concatenate([band.values[0], sky]) * weight
            self.weighted.append(weighted)
            self.index.append(index)
            members = band.members
            self.normal[np.ix_(range(6), index, members)] += weighted @ band.values.transpose(0, 2, 1)
            self.normal[np.ix_([0], index, np.arange(count, size))] += weighted @ sky.T
            seen[members] += band.values[0] @ (weight > 0)
        prior = self._prior(seen)
        self.free = np.flatnonzero(np.isfinite(prior))
        self.prior = prior[self.free]
        self.normal = np.ascontiguousarray(self.normal[:, self.free[:, None], self.free])
        self.inverse = _inverse(self.normal[0] + np.diag(self.prior))

    def _prior(self, seen):
        """Inverse variance of the prior of each unknown's deviation; infinite for what is not free."""
        mean = self.series.mean
        stamp, layout = mean.stamp, mean.layout
        inside = np.zeros(layout.number, dtype=bool)
        inside[layout.template] = ((mean.row >= stamp.row_min - 0.5) & (mean.row < stamp.row_max - 0.5)
                                   & (mean.column >= stamp.col_min - 0.5)
                                   & (mean.column < stamp.col_max - 0.5))
        prior = np.where(inside, 0.0, (OUTSIDE_SPREAD * np.abs(self.mean_flux) + 1.0) ** -2.0)
        prior[seen < LEAST_SEEN] = np.inf
        return np.concatenate([prior, np.full(design.SKY_TERMS, SKY_SPREAD ** -2.0)])

    def _project(self):
        """Projections of the images less the mean scene, and variances of the fluxes."""
        series, frames = self.series, self.frames
        size = series.mean.layout.number + design.SKY_TERMS
        right, square = np.zeros((size, frames.size)), np.zeros((size, frames.size))
        static = np.zeros((size, 6))
        place = np.full(size, -1)
        place[self.free] = np.arange(self.free.size)
        for band, weighted, index in zip(self.bands, self.weighted, self.index, strict=True):
            images, errors = self._pixels(band.rows)
            right[index] += weighted.astype('float32') @ images
            static[index] += weighted @ self.models[:, band.rows].reshape(6, -1).T
            known = place[index]
            free = known >= 0
            operator = self.inverse[np.ix_(known[free], known[free])] @ weighted[free]
            square[index[free]] += np.square(operator).astype('float32') @ np.square(errors)
        return right[self.free] - static[self.free] @ self.phi, square[self.free]

    def _pixels(self, rows):
        """Images and errors of a band, (pixels, times), gaps filled with model and typical error."""
        series = self.series
        width = series.mean.stamp.width
        everything = self.frames.size == series.times
        images, errors = (cube[rows] if everything else cube[rows][..., self.frames]
                          for cube in (series.images, series.errors))
        gappy = series.gappy[(series.gappy[:, 0] >= rows.start) & (series.gappy[:, 0] < rows.stop)]
        if len(gappy):
            images, errors = images.copy(), errors.copy()
            for row, column in gappy:
                image, error = images[row - rows.start, column], errors[row - rows.start, column]
                missing = ~(np.isfinite(image) & np.isfinite(error))
                image[missing] = self.models[:, row, column] @ self.phi[:, missing]
                error[missing] = np.sqrt(min(series.variance[row, column], 1e12))
        shape = (-1, self.frames.size)
        assert width == images.shape[1]
        return images.reshape(shape), errors.reshape(shape)

    def _solutions(self, right):
        """Deviations (unknowns, frames) and by how much missing pixels let errors grow."""
        solution = self.inverse @ right
        steps = []
        for _ in range(REFINEMENTS):
            step = self.inverse @ (right - self._own(solution))
            solution = solution + step
            steps.append(step)
        growth = np.ones_like(solution)
        sigma = np.sqrt(np.diag(self.inverse))[:, None]
        first, last = (np.abs(step / sigma).max(axis=0) for step in (steps[0], steps[-1]))
        wild = ~((last <= np.maximum(CONVERGED * first, 1e-3)) | (last < 1e-3))
        masked = np.unique(self.series.masked_frame)
        numbers = np.flatnonzero(wild | np.isin(self.frames, masked))
        for number in numbers:
            solution[:, number], growth[:, number] = self._one_frame(right[:, number], number, wild[number])
        return solution, growth

    def _own(self, solution):
        """The frames' own matrices times the solutions."""
        total = (self.normal[0] + np.diag(self.prior)) @ solution
        for plane in range(1, 6):
            total += self.phi[plane] * (self.normal[plane] @ solution)
        return total

    def _one_frame(self, right, number, wild):
        """Solution of a frame with missing pixels, or one whose refinement does not converge."""
        series = self.series
        pixels = series.masked_pixel[series.masked_frame == self.frames[number]]
        values = self._values_at(pixels)
        weights = series.weight.ravel()[pixels]
        own = np.tensordot(self.phi[:, number], self.normal, 1) + np.diag(self.prior)
        moved = np.tensordot(self.phi[:, number], values, 1)
        own -= (values[0] * weights) @ moved.T
        typical = self.normal[0] + np.diag(self.prior) - (values[0] * weights) @ values[0].T
        growth = np.sqrt(np.abs(np.diag(np.linalg.pinv(typical, hermitian=True)) / np.diag(self.inverse)))
        return np.linalg.lstsq(own, right, rcond=None)[0], growth

    def _values_at(self, pixels):
        """All planes of the free unknowns at pixels: (6, free, n)."""
        width = self.series.mean.stamp.width
        count = self.series.mean.layout.number
        values = np.zeros((6, count + design.SKY_TERMS, pixels.size))
        for number, pixel in enumerate(pixels):
            row, column = divmod(int(pixel), width)
            band = self.bands[row // design.BAND]
            inner = (row - band.rows.start) * width + column
            values[:, band.members, number] = band.values[:, :, inner]
            values[0, count:, number] = self.series.basis[:, row, column]
        return values[:, self.free]

    def _chi2(self, solution):
        """Reduced chi square of the templates in those of the sampled frames that are in the group."""
        series = self.series
        if not self.first:
            return
        numbers = np.flatnonzero(np.isin(self.frames, series.sample))
        if not numbers.size:
            return
        count = series.mean.layout.number
        full = np.zeros((count + design.SKY_TERMS, numbers.size))
        full[self.free] = solution[:, numbers]
        total, weight = np.zeros(count), np.zeros(count)
        for band, index in zip(self.bands, self.index, strict=True):
            images, errors = self._pixels(band.rows)
            used = series.weight[band.rows].ravel() > 0
            sky = series.basis[:, band.rows].reshape(design.SKY_TERMS, -1)
            values = np.concatenate([band.values[0], sky])
            model = (self.models[:, band.rows].reshape(6, -1).T @ self.phi[:, numbers]
                     + values.T @ full[index])
            score = ((images[:, numbers] - model) / errors[:, numbers])[used] ** 2
            total[band.members] += band.values[0][:, used] @ np.nan_to_num(score).mean(axis=1)
            weight[band.members] += band.values[0][:, used].sum(axis=1)
        series.chi2[:] = np.where(weight > LEAST_SEEN, total / np.maximum(weight, 1e-9), np.nan)


def _inverse(matrix):
    """Inverse of a symmetric matrix, scaled to unit diagonal first."""
    scale = 1 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    return np.linalg.inv(matrix * scale[:, None] * scale) * scale[:, None] * scale


def _mean_finite(cube):
    """Mean over time of what is finite; infinite where nothing is."""
    valid = np.isfinite(cube)
    number = valid.sum(axis=-1)
    return np.where(number > 0, np.where(valid, cube, 0).sum(axis=-1) / np.maximum(number, 1), np.inf)
