"""The normal equations of the PRF over a whole field: a correction that may change from place to place."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import epsf_basis as basis

SLACK = {0: 1.0, 1: 0.5, 2: 0.3}
"""Prior of the terms that vary over the CCD, by their degree, over that of the constant."""

COARSE = 2 * basis.CORE
"""Intervals of the splines of the terms that vary: they are small, and less of them is known."""


class System:
    """Sums over the scenes of a field, and their solution.

    Parameters
    ----------
    orders : list of int
        Degree in row and column of each term of the correction, that of the constant first.
    """

    def __init__(self, orders):
        self.orders = orders
        sizes = [basis.SIZE] + [(COARSE + 3) ** 2] * (len(orders) - 1)
        ends = np.cumsum([0, *sizes])
        self._blocks = [slice(*pair) for pair in zip(ends[:-1], ends[1:], strict=True)]
        self._matrix = np.zeros((ends[-1] + 1, ends[-1] + 1))
        self._right = np.zeros(ends[-1] + 1)

    def add(self, matrix, right, terms):
        """Add a scene's sums over the splines and the wing.

        Parameters
        ----------
        matrix : array (SIZE + 1, SIZE + 1)
        right : array (SIZE + 1,)
        terms : array
            Factors of the terms at the place of the scene.
        """
        columns = np.column_stack([matrix[:-1, -1], right[:-1]])
        fine = matrix[:-1, :-1], columns
        coarse = fine if len(self._blocks) == 1 else (_coarser(fine[0]), _coarser(columns))
        # the lower triangle: constant with itself, varying terms with the constant, with each other
        square = [fine[0], coarse[0], coarse[0]]
        if len(self._blocks) > 1:
            square[2] = _coarser(np.ascontiguousarray(coarse[0].T))
        for i, one in enumerate(self._blocks):
            for j, other in enumerate(self._blocks[:i + 1]):
                self._matrix[one, other] += terms[i] * terms[j] * square[(i > 0) + (j > 0)]
            amount, data = (coarse if i else fine)[1].T
            self._matrix[-1, one] += terms[i] * amount
            self._right[one] += terms[i] * data
        self._matrix[-1, -1] += matrix[-1, -1]
        self._right[-1] += right[-1]

    def believe(self, precision, conserved, due, amount):
        """Add what is believed of every term.

        Parameters
        ----------
        precision : array (SIZE, SIZE)
            As from `photometry.algorithms.epsf_prior.precision`.
        conserved, due : arrays (SIZE + 1, SIZE + 1) and (SIZE + 1,)
            As from `photometry.algorithms.epsf_prior.conservation`.
        amount : float
            Inverse variance of the wing's light over the core's.
        """
        for i, (block, order) in enumerate(zip(self._blocks, self.orders, strict=True)):
            believed = precision / SLACK[order] ** 2 + conserved[:-1, :-1]
            self._matrix[block, block] += believed if i == 0 else _coarser(_coarser(believed).T)
        first = self._blocks[0]
        self._matrix[-1, first] += conserved[-1, :-1]
        self._matrix[-1, -1] += conserved[-1, -1] + amount
        self._right[first] += due[:-1]
        self._right[-1] += due[-1]

    def solve(self):
        """Coefficients (terms, SIZE), the wing's light over the core's and its error; uses the sums up."""
        solution, error = _solved(self._matrix, self._right)
        made = [solution[block] for block in self._blocks]
        return np.stack([made[0], *(_finer(values) for values in made[1:])]), solution[-1], error


def _coarser(values):
    """Sums over fine splines (SIZE, n) as sums over coarse ones."""
    weights = basis.coarse_axis(COARSE).T
    made = np.tensordot(weights, values.reshape(basis.COUNT, basis.COUNT, -1), 1)
    return (weights @ made).reshape(len(weights) ** 2, -1)


def _finer(values):
    """Coefficients of fine splines from those of coarse ones."""
    weights = basis.coarse_axis(COARSE)
    return (weights @ values.reshape(COARSE + 3, COARSE + 3) @ weights.T).ravel()


def _solved(matrix, right):
    """Solution of normal equations of which the lower triangle is given, and the last unknown's error."""
    from scipy.linalg import cho_factor, cho_solve
    scale = np.sqrt(np.diag(matrix))
    matrix /= scale
    matrix /= scale[:, None]
    unit = np.zeros_like(right)
    unit[-1] = 1
    # LAPACK wants columns in memory, which the rows of a transposed matrix are
    factor = cho_factor(matrix.T, lower=False, overwrite_a=True, check_finite=False)
    solution, inverse = cho_solve(factor, np.stack([right / scale, unit], axis=1)).T
    return solution / scale, np.sqrt(inverse[-1]) / scale[-1]
