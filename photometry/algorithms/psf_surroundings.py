"""The images of a star and of what shines beside it, on a small stamp and wherever the pointing goes."""

from __future__ import annotations

import numpy as np

from photometry.algorithms.psf_neighbours import displaced, near_stars
from photometry.algorithms.psf_star import NEIGHBOUR_ERROR, SKY_ERROR
from photometry.algorithms.trails import Trails

MATTERS = 0.05
"""Part of the star's flux error that a neighbour's doubt must move, so that it is fitted along."""

CLOSE = 3.5
"""Distance below which a neighbour's place is fitted, too, px."""

RIM = 1.5
"""Distance from the rim of the stamp within which a neighbour's flux is not left quite free, px."""

MOST = 14
"""Neighbours that are fitted along with a star."""


class Target:
    """The images of a star on a stamp.

    Parameters
    ----------
    prf : photometry.algorithms.prf.PRF
    row, column, share : ndarray (stars,)
        Places in the mean image and parts of the light: more than one for stars that
        cannot be told apart.
    stamp : Stamp
    trails : photometry.algorithms.trails.Trails, optional
        Pixels of the stamp that are added up: the first of each holds the sum, the others nothing.
    """

    def __init__(self, prf, row, column, share, stamp, trails=None):
        self.prf, self.stamp, self.trails = prf, stamp, trails or Trails.none()
        self.row, self.column, self.share = (np.asarray(axis, dtype='f8') for axis in (row, column, share))
        self._last = None

    def moved(self, offset):
        """The same somewhere else: ``offset`` (2,) rows and columns away."""
        return Target(self.prf, self.row + offset[0], self.column + offset[1], self.share, self.stamp,
                      self.trails)

    @property
    def place(self):
        """Row and column of the centre of light."""
        return np.array([self.share @ self.row, self.share @ self.column]) / self.share.sum()

    def render(self, offsets):
        """Templates (6, n, pixels) at offsets (2, n) from the mean place; the last ones are remembered."""
        if self._last is None or not np.array_equal(self._last[0], offsets):
            self._last = np.array(offsets), self._rendered(offsets)
        return self._last[1]

    def _rendered(self, offsets):
        planes = displaced(self.prf, self.row, self.column, offsets, self.stamp, 2)
        planes = planes[:, 0] if self.row.size == 1 else np.tensordot(planes, self.share, (1, 0))
        return self.folded(planes)

    def folded(self, values):
        """Values (..., pixels) of the stamp with its trails added up."""
        return self.trails.folded(values, self.stamp.width)


class SceneSurroundings:
    """Neighbours of a star in a scene, and the local sky: the nuisance of its fit.

    A neighbour counts where the error of its flux would move the star's; one that is
    close enough for its wandering to matter has columns for its place as well.

    Parameters
    ----------
    mean : photometry.algorithms.scene_mean.MeanScene
    doubt : ndarray (templates,)
        Typical error of each template's flux in a frame, e-/s; not finite where it is not known.
    star : int
        Number of the star in the scene.
    target : Target
    weights : ndarray (pixels,)
        Inverse variances of the pixels of its stamp in a frame.

    Attributes
    ----------
    still : ndarray (columns, pixels)
        `columns` without any displacement.
    """

    def __init__(self, mean, doubt, star, target, weights):
        self.mean, self.stamp, self._folded = mean, target.stamp, target.folded
        self._flat = target.folded(np.ones(weights.size))
        images = self._choose(doubt, star, target, weights)
        inside = self._inside(self._members)
        free = np.where(inside, np.inf, np.fmax(doubt[self._numbers], 1e-6))
        self.sigma = np.concatenate([free, np.full(2 * len(self._close), NEIGHBOUR_ERROR), [SKY_ERROR]])
        self.measured = np.arange(self.sigma.size) >= free.size
        self.still = self._assembled(images[:, None])[0]

    def _choose(self, doubt, star, target, weights):
        layout = self.mean.layout
        own = layout.template[star]
        stars = np.flatnonzero(near_stars(self.mean, self.stamp) & (layout.template != own))
        numbers = np.unique(layout.template[stars])
        self._members = [stars[layout.template[stars] == number] for number in numbers]
        images = self._render(np.zeros((2, 1)), 1)[:, 0] if numbers.size else np.zeros((3, 0, weights.size))
        mine = target.render(np.zeros((2, 1)))[0, 0]
        scale = max((weights * mine) @ mine, 1e-300) ** -0.5
        value, *slopes = images @ (weights * mine) * scale
        known = np.where(np.isfinite(doubt), doubt, np.abs(self.mean.template_flux))[numbers]
        moves = np.abs(value) * known
        order = np.argsort(-moves, kind='stable')[:MOST]
        kept = np.sort(order[moves[order] > MATTERS])
        self._numbers = numbers[kept]
        images = images[:, kept]
        self._members = [self._members[number] for number in kept]
        flux = self.mean.template_flux[self._numbers]
        wander = np.hypot(*slopes)[kept] * np.abs(flux) * NEIGHBOUR_ERROR
        distance = np.array([np.hypot(*(self._place(some) - target.place)) for some in self._members])
        self._close = np.flatnonzero((wander > MATTERS) & (distance < CLOSE))
        return images

    def _place(self, members):
        share = self.mean.layout.share[members]
        return np.array([share @ self.mean.row[members], share @ self.mean.column[members]]) / share.sum()

    def _inside(self, members):
        """Which templates stand on the stamp, far enough from its rim."""
        place = np.array([self._place(some) for some in members]).reshape(-1, 2)
        low = np.array(self.stamp[::2]) - 0.5 + RIM
        high = np.array(self.stamp[1::2]) - 0.5 - RIM
        return ((place > low) & (place < high)).all(axis=1)

    @property
    def number(self):
        """Neighbours that are fitted along."""
        return len(self._members)

    @property
    def places_number(self):
        """Neighbours whose places are fitted, too."""
        return len(self._close)

    def columns(self, offsets):
        """Nuisance columns (n, columns, pixels) when everything is displaced by offsets (2, n)."""
        if not self._members:
            return self._assembled(np.zeros((1, offsets.shape[1], 0, self.still.shape[-1])))
        return self._assembled(self._render(offsets, 1 if len(self._close) else 0))

    def _assembled(self, planes):
        """Columns of images (planes, n, neighbours, pixels): fluxes, places, sky."""
        made = np.empty((planes.shape[1], self.sigma.size, planes.shape[-1]))
        made[:] = self._flat
        made[:, :self.number] = planes[0]
        if len(self._close):
            flux = self.mean.template_flux[self._numbers][self._close, None]
            for axis, plane in enumerate(planes[1:]):
                first = self.number + axis * len(self._close)
                made[:, first:first + len(self._close)] = flux * plane[:, self._close]
        return made

    def _render(self, offsets, derivatives):
        """Images (planes, n, templates, pixels) of the neighbours."""
        stars, shares = self._shares
        planes = displaced(self.mean.prf, self.mean.row[stars], self.mean.column[stars], offsets, self.stamp,
                           derivatives)
        if shares is not None:
            planes = np.einsum('ms,ksnp->kmnp', shares, planes)
        return self._folded(planes.swapaxes(1, 2))

    @property
    def _shares(self):
        """Stars of all templates and, where some are shared, the shares (templates, stars)."""
        stars = np.concatenate(self._members)
        if stars.size == len(self._members):
            return stars, None
        shares = np.zeros((len(self._members), stars.size))
        first = 0
        for number, some in enumerate(self._members):
            shares[number, first:first + some.size] = self.mean.layout.share[some]
            first += some.size
        return stars, shares

