"""Normal equations of the correction to the PRF, with what is eliminated from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.algorithms import epsf_basis as basis

KEPT = basis.SIZE + 1
"""Unknowns that are kept: the splines and the amount of the wing."""


@dataclass(frozen=True)
class Normal:
    """Sums of least squares of one scene.

    Attributes
    ----------
    matrix : ndarray (n, n)
    right : ndarray (n,)
        Of the splines, the wing, the levels of the scene, three numbers a star, what else there is.
    """

    matrix: np.ndarray
    right: np.ndarray

    def __sub__(self, other):
        return Normal(self.matrix - other.matrix, self.right - other.right)

    @classmethod
    def empty(cls, size):
        """No sums at all of some unknowns."""
        return cls(np.zeros((size, size)), np.zeros(size))

    def add(self, other, places):
        """Add sums whose unknowns stand at some places here, a list of slices in their order."""
        ends = np.cumsum([0, *(place.stop - place.start for place in places)])
        theirs = [slice(*pair) for pair in zip(ends[:-1], ends[1:], strict=True)]
        for place, some in zip(places, theirs, strict=True):
            self.right[place] += other.right[some]
            for across, more in zip(places, theirs, strict=True):
                self.matrix[place, across] += other.matrix[some, more]

    def reduced(self, prior):
        """What is left for splines and wing when levels and stars are free within their prior.

        Parameters
        ----------
        prior : array (n - KEPT,)
            Their inverse variances.

        Returns
        -------
        matrix : array (KEPT, KEPT)
        right : array (KEPT,)
        """
        from scipy.linalg import cholesky, solve_triangular
        inner = self.matrix[KEPT:, KEPT:] + np.diag(prior)
        scale = np.sqrt(np.diag(inner))
        inner /= scale
        inner /= scale[:, None]
        factor = cholesky(inner, lower=True, overwrite_a=True)
        outer = np.column_stack([self.matrix[KEPT:, :KEPT], self.right[KEPT:]]) / scale[:, None]
        half = solve_triangular(factor, outer, lower=True, overwrite_b=True)
        # a matrix times its own transpose costs half a product
        known = half.T @ half
        return self.matrix[:KEPT, :KEPT] - known[:-1, :-1], self.right[:KEPT] - known[:-1, -1]


def normal(scene, coefficients, blur, rows=None) -> Normal:
    """Normal equations from a scene.

    Parameters
    ----------
    scene : photometry.algorithms.epsf_scene.Scene
        With the stars ``chosen`` to learn from.
    coefficients : array (SIZE,)
        Present correction.
    blur : tuple
        As for `photometry.algorithms.epsf_basis.design`.
    rows : bool array (pixels,), optional
        Pixels that count; all by default.
    """
    chosen, weight = scene.chosen, scene.weight()
    splines = basis.design(scene.row[chosen], scene.column[chosen], scene.flux[chosen], scene.stamp, blur)
    data = (scene.image - scene.model() + splines @ coefficients + scene.amount * scene.wings
            + scene.wide @ scene.level)
    wide = np.column_stack([scene.wings, scene.wide])
    made = sums([splines, scene.columns(chosen)], wide, data, weight if rows is None else weight * rows)
    stars = basis.SIZE + wide.shape[1]
    total = (Normal.empty(len(made.right)) if scene.slopes is None
             else scene.slopes.normal(chosen, coefficients, rows))
    total.add(made, [run(0, basis.SIZE), run(stars, 3 * chosen.size), run(basis.SIZE, wide.shape[1])])
    return total


def run(start, number):
    """Places of some unknowns that follow each other, for `Normal.add`."""
    return slice(start, start + number)


def sums(thin, wide, data, weight) -> Normal:
    """Sums of least squares over the pixels, first of sparse columns, then of full ones.

    Parameters
    ----------
    thin : list of sparse matrices (pixels, ...)
    wide : array (pixels, ...)
    data, weight : arrays (pixels,)
    """
    from scipy import sparse
    kept = weight > 0
    root = np.sqrt(weight[kept])
    thin = sparse.diags(root) @ sparse.hstack(thin).tocsr()[kept]
    wide, data = wide[kept] * root[:, None], data[kept] * root
    cross = thin.T @ wide
    matrix = np.block([[(thin.T @ thin).toarray(), cross], [cross.T, wide.T @ wide]])
    return Normal(matrix, np.concatenate([thin.T @ data, wide.T @ data]))
