"""How pixels change when the stars move over them: what one mean image cannot tell of a PRF."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from photometry.algorithms import epsf_basis, epsf_normal, epsf_scene, motion
from photometry.algorithms.prf import HALF

REACH = 0.3
"""Frames further than this from where the mean image is do not count, px."""

LEAST_FRAMES, LEAST_MOTION = 10, 1e-4
"""Frames and rms of the motion along an axis, px, from which on there is something to see."""

RESPONSE, USUAL = 5e-4, 3.0
"""How much a star itself changes in step with the motion, parts of its flux for 1 px: standard
deviation, and how many of them make it a star that varies."""

FAINT = 5.0
"""Errors of such a change, in units of its standard deviation, above which nobody asks for it."""

SCALE = 0.02
"""Standard deviation of the error of the measured motion, as a part of it."""

WING_ERROR = 0.3
"""Error of the change of the wings, as a part of it."""

SKY_TERMS, SKY_SPREAD = 6, 10.0
"""The sky's own change: terms of a polynomial and the standard deviation of each, e-/s for 1 px."""


@dataclass(frozen=True)
class Pointings:
    """Where the frames of a mean image stood.

    Attributes
    ----------
    kernel : ndarray (T, 6)
        Motion of the frames as `photometry.algorithms.motion.Motion` has it.
    centre : tuple
        Row and column about which its matrices turn.
    collect : callable
        ``collect(stamp, weights)`` with weights (n, T) gives the weighted sums of the frames,
        background subtracted, (n, rows, columns), e-/s; NaN where unknown.
    """

    kernel: np.ndarray
    centre: tuple
    collect: Callable

    @classmethod
    def of_images(cls, images, kernel, centre, origin):
        """Of frames (rows, columns, T) that are at hand, their first pixel at ``origin``."""
        def collect(stamp, weights):
            return np.moveaxis(images[stamp.slices(origin)] @ weights.T, 2, 0)
        return cls(kernel, centre, collect)

    def shift(self, stamp):
        """Rows and columns by which the middle of a stamp is away from its mean, (T, 2), px."""
        row, column = (np.array([sum(ends) / 2]) for ends in (stamp[:2], stamp[2:]))
        moved = np.stack(motion.positions_at(self.kernel, self.centre, row, column))[:, 0].T
        return moved - moved.mean(axis=0)

    def carried(self, weights, row, column):
        """Weighted sums of the motion at some places, (n, weights, 2), px."""
        moved = motion.positions_at(weights @ self.kernel, self.centre, row, column)
        return np.stack([end - start[:, None] for end, start in zip(moved, (row, column), strict=True)],
                        axis=-1)


def of_scene(scene, pointings):
    """The changes of the pixels of a scene; None where the frames are too few or all in one place."""
    if pointings is None:
        return None
    shift = pointings.shift(scene.stamp)
    near = np.linalg.norm(shift - np.median(shift, axis=0), axis=1) < REACH
    if near.sum() < LEAST_FRAMES or not shift[near].std(axis=0).max() > LEAST_MOTION:
        return None
    return SceneSlopes(scene, pointings, shift, near)


class SceneSlopes:
    """The changes of the pixels of a scene for 1 px of motion along the axes on which it is independent.

    The pixels change as stars, wings and sky do. The images of all stars may also change in step
    with the motion, for focus and pointing both follow the temperature. A star's own part of the
    change, its response, tells whether its light follows the motion, which it does not but for
    stars that happen to vary in step.

    Parameters
    ----------
    scene : photometry.algorithms.epsf_scene.Scene
    pointings : Pointings
    shift : array (T, 2)
        Motion in the scene, px.
    near : bool array (T,)
        Frames that count.
    """

    def __init__(self, scene, pointings, shift, near):
        self.scene, self.shift = scene, shift[near]
        away = self.shift - self.shift.mean(axis=0)
        variance, axes = np.linalg.eigh(away.T @ away / len(away))
        self.axes = axes.T[variance > LEAST_MOTION ** 2]
        along = self.axes @ away.T
        self.weights = along / np.sum(along ** 2, axis=1, keepdims=True)
        weights = np.zeros((len(self.axes), len(shift)))
        weights[:, near] = self.weights
        # variance of a change over that of the mean
        self.loss = np.sum(weights ** 2, axis=1) * len(shift)
        self.directions = pointings.carried(weights, scene.row, scene.column)
        images = pointings.collect(scene.stamp, weights).reshape(len(self.axes), -1)
        self.used = scene.used & np.isfinite(images).all(axis=0)
        self.images = np.where(self.used, images, 0.0)
        self._sky = scene.polynomials[:, :SKY_TERMS]

    # -- the model -------------------------------------------------------------------------------------

    def update(self, prf, chosen, forms, settled):
        """Take the images of the stars from the PRF of a frame; judge pixels and chosen stars.

        Parameters
        ----------
        prf : photometry.algorithms.prf.PRF
        chosen : array
            Stars to learn from.
        forms : pair of arrays (forms, SIZE) and (forms,)
            As from `photometry.algorithms.epsf_prior.steady_changes`.
        settled : bool
            The PRF has been learned: what its stars still leave makes the changes less believable.
        """
        scene = self.scene
        along = np.stack([self._images(prf.averaged(self.shift, weight)) for weight in self.weights])
        parts = np.einsum('skr,br->bks', self.directions, self.axes)
        self.templates = np.einsum('bks,bpsi->kpsi', parts, along)
        self.cores = np.stack([scene.spread(scene.flux[:, None] * value[0]) for value in self.templates])
        self.wings, self.giants = (np.tensordot(self.axes, change, 1) for change in scene.wing_changes())
        every = epsf_basis.design(scene.row, scene.column, scene.flux, scene.stamp)
        self.wide = np.column_stack([self._sky, *self.cores, every @ forms[0].T])
        spread = np.repeat([SKY_SPREAD, SCALE], [SKY_TERMS, len(self.axes)])
        self._level_precision = np.concatenate([spread, forms[1]]) ** -2.0
        self._rest = self.images - self.cores - scene.amount * self.wings - self.giants
        rest = self._judge(settled)
        self._judge_stars(rest, chosen)

    def _images(self, prf):
        values = prf.render_at(self.scene.row, self.scene.column, HALF, derivatives=1)[0]
        return np.stack(values).reshape(3, self.scene.row.size, -1)

    def _judge(self, settled):
        """Weights, less for pixels that stick out; what is left but for levels, (axes, pixels)."""
        empty = self.used & self.scene.empty
        self.noise = 1.4826 * np.median(np.abs(self._rest[:, empty]), axis=1)
        noise, wrong = self._variances()
        pairs = zip(self._rest, noise + wrong, strict=True)
        rest = np.stack([self._without_levels(*pair) for pair in pairs])
        if settled:
            wrong *= [[_excess(*each) ** 2] for each in zip(rest, noise, wrong, strict=True)]
        robust = [epsf_scene.robust(*pair, self.used) for pair in zip(rest, noise + wrong, strict=True)]
        self.weight = np.where(self.used, robust / (noise + wrong), 0.0)
        return rest

    def _without_levels(self, rest, variance):
        root = np.where(self.used, variance ** -0.5, 0.0)
        # a matrix times its own transpose costs half a product
        weighted = self.wide * root[:, None]
        normal = weighted.T @ weighted + np.diag(self._level_precision)
        return rest - self.wide @ np.linalg.solve(normal, weighted.T @ (root * rest))

    def _variances(self):
        """Of noise, and of what the model of the stars may be wrong by, (axes, pixels) each."""
        scene = self.scene
        wings = scene.amount * self.wings + self.giants
        noise = self.loss[:, None] * scene.photons() + self.noise[:, None] ** 2 + (WING_ERROR * wings) ** 2
        return noise, np.stack([scene.spread(scene.wrong(value[0])) for value in self.templates])

    def _judge_stars(self, rest, chosen):
        """Prior of each chosen star's own change; wide for those that seem to vary, (axes, n)."""
        scene = self.scene
        image = scene.flux[chosen][:, None] * scene.templates[0][chosen]
        pixel = scene.pixel[chosen]
        weight, left = (np.pad(values, ((0, 0), (0, 1)))[:, pixel] for values in (self.weight, rest))
        square = (weight * image ** 2).sum(axis=-1) + 1e-99
        found = (weight * left * image).sum(axis=-1) / square
        usual = np.maximum(RESPONSE, 1.4826 * np.median(np.abs(found), axis=1, keepdims=True))
        varies = np.abs(found) > USUAL * np.hypot(usual, square ** -0.5)
        # what the noise hides needs no unknown
        self.responding = np.flatnonzero((square ** -0.5 < FAINT * RESPONSE).any(axis=0))
        self.response_spread = np.where(varies, np.abs(found), RESPONSE)[:, self.responding]

    # -- what the PRF is learned from ------------------------------------------------------------------

    def precision(self):
        """Inverse variances of what `views` have of their own: few pixels see it, all do."""
        return self.response_spread.ravel() ** -2.0, np.tile(self._level_precision, len(self.axes))

    def views(self, chosen, coefficients):
        """The changes as a list of `photometry.algorithms.epsf_normal.View`.

        Their own are the responses of stars, the sky's change, the error of the motion and the forms in
        which all stars change.

        Parameters
        ----------
        chosen : array
            Stars to learn from.
        coefficients : array (SIZE,)
            Present correction of the PRF.
        """
        shining = chosen[self.responding]
        shine = self.scene.columns(shining)[:, ::3].multiply(self.scene.flux[shining])
        return [self._view(axis, chosen, coefficients, shine) for axis in range(len(self.axes))]

    def _view(self, axis, chosen, coefficients, shine):
        scene = self.scene
        splines = epsf_basis.design_along(scene.row[chosen], scene.column[chosen], scene.flux[chosen],
                                          scene.stamp, self.directions[chosen, axis])
        data = self._rest[axis] + splines @ coefficients + scene.amount * self.wings[axis]
        thin = [splines, epsf_normal.column(self.wings[axis]), scene.columns(chosen, self.templates[axis])]
        return epsf_normal.View(thin, shine, self.wide, data, self.weight[axis])


def _excess(rest, noise, wrong):
    """By how much more than expected the images of stars are wrong, at least 1."""
    stars = wrong > noise
    if not stars.any():
        return 1.0
    return max(1.0, 1.4826 * np.median(np.abs(rest[stars]) / np.sqrt(noise[stars] + wrong[stars])))
