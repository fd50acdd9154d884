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
        Of the splines, the wing, the levels of the scene, three numbers a star.
    """

    matrix: np.ndarray
    right: np.ndarray

    def __sub__(self, other):
        return Normal(self.matrix - other.matrix, self.right - other.right)

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
        from scipy.linalg import cho_factor, cho_solve
        inner = self.matrix[KEPT:, KEPT:] + np.diag(prior)
        scale = np.sqrt(np.diag(inner))
        factor = cho_factor(inner / scale / scale[:, None], lower=True, overwrite_a=True)
        cross = self.matrix[KEPT:, :KEPT] / scale[:, None]
        solved = cho_solve(factor, np.column_stack([cross, self.right[KEPT:] / scale]))
        return (self.matrix[:KEPT, :KEPT] - cross.T @ solved[:, :-1],
                self.right[:KEPT] - cross.T @ solved[:, -1])


def normal(scene, chosen, coefficients, blur, rows=None) -> Normal:
    """Normal equations from a scene.

    Parameters
    ----------
    scene : photometry.algorithms.epsf_scene.Scene
    chosen : array
        Stars to learn from.
    coefficients : array (SIZE,)
        Present correction.
    blur : tuple
        As for `photometry.algorithms.epsf_basis.design`.
    rows : bool array (pixels,), optional
        Pixels that count; all by default.
    """
    from scipy import sparse
    weight = scene.weight()
    kept = weight > 0 if rows is None else (weight > 0) & rows
    root = np.sqrt(weight[kept])
    splines = basis.design(scene.row[chosen], scene.column[chosen], scene.flux[chosen], scene.stamp, blur)
    data = (scene.image - scene.model() + splines @ coefficients + scene.amount * scene.wings
            + scene.wide @ scene.level)[kept] * root
    thin = sparse.diags(root) @ sparse.hstack([splines, scene.columns(chosen)]).tocsr()[kept]
    wide = np.column_stack([scene.wings, scene.wide])[kept] * root[:, None]
    sums, cross = (thin.T @ thin).toarray(), thin.T @ wide
    order = np.concatenate([np.arange(basis.SIZE), len(sums) + np.arange(wide.shape[1]),
                            np.arange(basis.SIZE, len(sums))])
    matrix = np.block([[sums, cross], [cross.T, wide.T @ wide]])[np.ix_(order, order)]
    return Normal(matrix, np.concatenate([thin.T @ data, wide.T @ data])[order])
