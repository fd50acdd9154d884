"""Normal equations of the correction to the PRF, with what is eliminated from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.algorithms import epsf_basis as basis

KEPT = basis.SIZE + 1
"""Unknowns that are kept: the splines and the amount of the wing."""


@dataclass(frozen=True)
class View:
    """What one image of a scene shows: its mean, or its change along an axis of the motion.

    Attributes
    ----------
    thin : list of sparse matrices (pixels, ...)
        Light by the splines, the wing, the stars' numbers and what else few pixels see, in all views.
    own : sparse matrix (pixels, ...) or None
        The same of what this view alone has.
    wide : ndarray (pixels, ...)
        Light by levels of its own that all pixels see.
    data, weight : ndarray (pixels,)
        What the unknowns must explain, and its inverse variance.
    """

    thin: list
    own: object
    wide: np.ndarray
    data: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Normal:
    """Sums of least squares of one scene.

    Attributes
    ----------
    matrix : ndarray (n, n)
    right : ndarray (n,)
        Of the splines, the wing, three numbers a star, what each view alone has that few pixels
        see, the levels of each view.
    """

    matrix: np.ndarray
    right: np.ndarray

    def __sub__(self, other):
        return Normal(self.matrix - other.matrix, self.right - other.right)

    def reduced(self, prior):
        """What is left for splines and wing when all else is free within its prior.

        Parameters
        ----------
        prior : array (n - KEPT,)
            Inverse variances.

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


def mean_view(scene, coefficients, blur) -> View:
    """What the mean image of a scene shows.

    Parameters
    ----------
    scene : photometry.algorithms.epsf_scene.Scene
        With the stars ``chosen`` to learn from.
    coefficients : array (SIZE,)
        Present correction.
    blur : tuple
        As for `photometry.algorithms.epsf_basis.design`.
    """
    chosen = scene.chosen
    splines = basis.design(scene.row[chosen], scene.column[chosen], scene.flux[chosen], scene.stamp, blur)
    data = (scene.image - scene.model() + splines @ coefficients + scene.amount * scene.wings
            + scene.wide @ scene.level)
    thin = [splines, column(scene.wings), scene.columns(chosen)]
    return View(thin, None, scene.wide, data, scene.weight())


def column(values):
    """Values of all pixels as a sparse column."""
    from scipy import sparse
    return sparse.csr_matrix(values[:, None])


def sums(views, rows=None) -> Normal:
    """Normal equations from the views of a scene.

    Parameters
    ----------
    views : list of View
        The mean image first.
    rows : bool array (pixels,), optional
        Pixels that count; all by default.
    """
    from scipy import sparse
    rows = slice(None) if rows is None else rows
    roots = [np.sqrt(view.weight[rows]) for view in views]
    thin = sparse.vstack([sparse.diags(root) @ sparse.hstack(view.thin).tocsr()[rows]
                          for root, view in zip(roots, views, strict=True)])
    own = [sparse.csr_matrix((root.size, 0)) if view.own is None
           else sparse.diags(root) @ view.own.tocsr()[rows] for root, view in zip(roots, views, strict=True)]
    thin = sparse.hstack([thin, sparse.block_diag(own)]).tocsr()
    data = np.concatenate([view.data[rows] * root for root, view in zip(roots, views, strict=True)])
    wide = [view.wide[rows] * root[:, None] for root, view in zip(roots, views, strict=True)]
    number = thin.shape[1]
    size = number + sum(part.shape[1] for part in wide)
    matrix, right = np.zeros((size, size)), np.zeros(size)
    matrix[:number, :number] = (thin.T @ thin).toarray()
    right[:number] = thin.T @ data
    first, start = number, 0
    for part in wide:
        place, pixels = slice(first, first + part.shape[1]), slice(start, start + len(part))
        matrix[place, place] = part.T @ part
        matrix[:number, place] = thin[pixels].T @ part
        matrix[place, :number] = matrix[:number, place].T
        right[place] = part.T @ data[pixels]
        first, start = place.stop, pixels.stop
    return Normal(matrix, right)
