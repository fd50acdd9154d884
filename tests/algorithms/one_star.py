"""A star and its neighbours, rendered frame by frame, with what the fit of one star is given."""

from dataclasses import dataclass, field

import numpy as np

from photometry.algorithms.prf import PRF
from photometry.core.stamp import Stamp
from photometry.files.prf import load_prf

MODEL = PRF(load_prf(5, 1, 2))
EXPOSURE, SKY = 1425.6, 110.0


def drawn(row, column, stamp):
    """Light of a star at many places on a stamp, (pixels, places), each rendered by itself."""
    row, column = np.broadcast_arrays(row, column)
    return MODEL.render(row, column, stamp).reshape(row.size, -1).T


@dataclass
class Around:
    """Neighbours whose fluxes are free, and the local sky with a measured prior."""

    stamp: Stamp
    row: np.ndarray
    column: np.ndarray
    displaced: tuple = ()
    """(neighbour, flux) whose place is free as well."""
    sky: bool = True
    sigma: np.ndarray = field(init=False)
    measured: np.ndarray = field(init=False)

    def __post_init__(self):
        places = 2 * len(self.displaced)
        self.sigma = np.array([np.inf] * len(self.row) + [5e-4] * places + [1e-3] * self.sky)
        self.measured = np.array([False] * len(self.row) + [True] * (places + self.sky))

    def columns(self, offsets):
        count, pixels = offsets.shape[1], self.stamp.height * self.stamp.width
        row, column = ((axis[:, None] + shift).ravel() for axis, shift
                       in zip((self.row, self.column), offsets, strict=True))
        value, *slopes = (plane.reshape(-1, count, pixels).swapaxes(0, 1)
                          for plane in MODEL.render(row, column, self.stamp, 1))
        columns = [value]
        for number, flux in self.displaced:
            columns += [flux * slope[:, number:number + 1] for slope in slopes]
        return np.concatenate([*columns, np.ones((count, int(self.sky), pixels))], axis=1)


@dataclass
class OneStar:
    """A star with neighbours (row offset, column offset, flux over its own) in noisy frames."""

    tmag: float
    frames: int = 500
    seed: int = 1
    neighbours: tuple = ()
    drift: float = 0.15
    jitter: float = 0.003
    own: object = 0.0
    """Motion of its own, (2, frames) px."""
    light: object = 1.0
    """Flux over the mean, (frames,)."""
    neighbour_light: object = 1.0
    free_places: bool = False
    half: int = 6

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        self.flux = 10 ** (-0.4 * (self.tmag - 20.44))
        self.row, self.column = 505 + rng.uniform(-0.3, 0.3), 605 + rng.uniform(-0.3, 0.3)
        self.stamp = Stamp.around(self.row, self.column, 2 * self.half + 1, 2 * self.half + 1)
        phase = np.linspace(-1, 1, self.frames)
        self.shift = np.outer((self.drift / 2, -self.drift / 3), phase)
        self.shift += self.jitter * rng.standard_normal(self.shift.shape)
        self.true_place = self.shift + self.own
        neighbours = np.array(self.neighbours, dtype='f8').reshape(-1, 3)
        self.true_flux = self.flux * self.light * np.ones(self.frames)
        mine = self.true_flux * drawn(self.row + self.true_place[0], self.column + self.true_place[1],
                                      self.stamp)
        others = [self.flux * part * self.neighbour_light
                  * drawn(self.row + down + self.shift[0], self.column + right + self.shift[1], self.stamp)
                  for down, right, part in neighbours]
        # They are subtracted with what a scene knows of them: 2 % off, and 1 % in every frame.
        left = sum((light * (0.02 + 0.01 * rng.standard_normal(self.frames)) for light in others),
                   np.zeros_like(mine))
        others = sum(others, np.zeros_like(mine))
        self.errors = np.sqrt((mine + others + SKY) / EXPOSURE)
        self.noise = self.errors * rng.standard_normal(mine.shape)
        self.pixels = mine + left + self.noise
        self.weights = 1 / (self.errors ** 2).mean(axis=1)
        self.good = np.ones(self.frames, dtype=bool)
        self.around = Around(self.stamp, self.row + neighbours[:, 0], self.column + neighbours[:, 1],
                             tuple((number, self.flux * part) for number, part in enumerate(neighbours[:, 2])
                                   if self.free_places))

    def render(self, offsets):
        """Templates (6, n, pixels) of the star displaced from its mean place."""
        made = MODEL.render(self.row + offsets[0], self.column + offsets[1], self.stamp, 2)
        return np.stack(made).reshape(6, offsets.shape[1], -1)

    def bounds(self):
        """Cramer-Rao bounds: flux with the place known, row, column (neighbours' fluxes free)."""
        value, down, right = self.render(np.zeros((2, 1)))[:3, 0]
        others = self.around.columns(np.zeros((2, 1)))[0, :len(self.around.row)]
        known = np.concatenate([[value], others])
        free = np.concatenate([[value, self.flux * down, self.flux * right], others])
        flux = np.linalg.inv((known * self.weights) @ known.T)[0, 0]
        place = np.diag(np.linalg.inv((free * self.weights) @ free.T))[1:3]
        return np.sqrt([flux, *place])
