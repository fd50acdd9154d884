"""The pixels of a star in every cadence, reduced to six numbers and what surrounds it eliminated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TERMS = 6
"""Value of a star's image and its derivatives by row, column, and both twice."""

_PAIRS = np.triu_indices(TERMS)


@dataclass(frozen=True)
class StarSpace:
    """Sufficient statistics of a star's image for its flux and place, time last.

    With c the coefficients of the six templates, ``const - 2 c.q + c.gram c`` is the
    weighted sum of squares that is left when all nuisance columns have been fitted.

    Attributes
    ----------
    q : ndarray (6, times)
        Weighted projections of the pixels on the templates.
    gram : ndarray (6, 6, times)
        Weighted products of the templates.
    spread : ndarray (6, 6, times)
        Covariance of ``q`` that the errors of the very pixels and the priors make.
    const : ndarray (times,)
    pixels : ndarray (times,)
        Pixels that count.
    """

    q: np.ndarray
    gram: np.ndarray
    spread: np.ndarray
    const: np.ndarray
    pixels: np.ndarray

    @classmethod
    def empty(cls, times):
        """Statistics that hold nothing yet."""
        return cls(np.zeros((TERMS, times)), np.zeros((TERMS, TERMS, times)),
                   np.zeros((TERMS, TERMS, times)), np.zeros(times), np.zeros(times))

    def put(self, frames, part):
        """Write the statistics of some frames, (indices,), in place."""
        for name in ('q', 'gram', 'spread', 'const', 'pixels'):
            getattr(self, name)[..., frames] = getattr(part, name)


def project(pixels, errors, weights, templates, nuisance, precision, middle=None, whole=None):
    """Statistics of a star, its surroundings eliminated by a Schur complement.

    The nuisance columns B (fluxes and displacements of neighbours, the sky) are
    fitted along with any combination of the templates A, each with a Gaussian prior
    around zero: ``q = A'WD - C B'WD`` with ``C = A'WB (B'WB + precision)^-1``.

    Parameters
    ----------
    pixels, errors : ndarray (pixels, times)
        What is left of the images when the neighbours have been subtracted, with
        standard errors. Where either is NaN the pixel is left out of that frame,
        exactly: the frame gets products of its own.
    weights : ndarray (pixels,)
        The same for all frames; zero where a pixel is never used.
    templates : ndarray (6, pixels)
    nuisance : ndarray (columns, pixels)
    precision : ndarray (columns,)
        1 / variance of the prior of each nuisance column; 0 for a free one.
    middle : ndarray (columns,), optional
        Around what that prior stands; zero by default.
    whole : ndarray (times,) of bool, optional
        Frames that lack no pixel, where that is known.

    Returns
    -------
    StarSpace
    """
    pixels, errors = np.asarray(pixels, dtype='float64'), np.asarray(errors, dtype='float32')
    columns, used = np.concatenate([templates, nuisance]), weights > 0
    if not used.all():
        pixels, errors, columns, weights = pixels[used], errors[used], columns[:, used], weights[used]
    light = np.zeros(weights.size) if middle is None else middle @ columns[TERMS:]
    if whole is None:
        whole = np.isfinite(pixels.sum(axis=0) + errors.sum(axis=0))
    if whole.all():
        return _whole(pixels, errors, weights, columns, precision, light)
    made = StarSpace.empty(pixels.shape[1])
    if whole.any():
        made.put(whole, _whole(pixels[:, whole], errors[:, whole], weights, columns, precision, light))
    pixels, errors = pixels[:, ~whole] - light[:, None], errors[:, ~whole]
    made.put(~whole, _gappy(pixels, errors, weights, columns, precision))
    return made


def _whole(pixels, errors, weights, columns, precision, light):
    """Statistics of frames that have every pixel, less some light: one factorisation for all of them."""
    weighted = columns * weights
    normal = weighted @ columns.T
    coupling, inverse = _coupling(normal[None], precision)
    filters = weighted[:TERMS] - coupling[0] @ weighted[TERMS:]
    right = np.concatenate([filters, weighted[TERMS:], [weights * light]])
    right = right @ pixels - (right @ light)[:, None]
    q, beyond, crossed = right[:TERMS], right[TERMS:-1], right[-1]
    gram = filters @ columns[:TERMS].T
    products = filters[_PAIRS[0]] * filters[_PAIRS[1]]
    spread = _unpacked(products.astype('float32') @ np.square(errors))
    spread += _prior_part(coupling, precision)[0][..., None]
    times = pixels.shape[1]
    # crossed is l'W(d - l), so that (d - l)'W(d - l) = d'Wd - 2 crossed - l'Wl.
    const = np.einsum('p,pt,pt->t', weights, pixels, pixels) - 2 * crossed - weights @ light ** 2
    const -= np.einsum('bt,bt->t', beyond, inverse[0] @ beyond)
    return StarSpace(q, np.broadcast_to(gram[..., None], (TERMS, TERMS, times)), spread, const,
                     np.full(times, float(weights.size)))


def _gappy(pixels, errors, weights, columns, precision):
    """Statistics of frames that lack pixels, each with its own products."""
    valid = np.isfinite(pixels) & np.isfinite(errors)
    pixels, square = np.where(valid, pixels, 0.0), np.where(valid, errors, 0.0).astype('float64') ** 2
    weighted = columns * weights
    outer = (weighted[:, None] * columns[None]).reshape(-1, weights.size)
    squares = (weighted[:, None] * weighted[None]).reshape(-1, weights.size)
    size, times = len(columns), pixels.shape[1]
    normal = (outer @ valid).T.reshape(times, size, size)
    noise = (squares @ square).T.reshape(times, size, size)
    right = weighted @ pixels
    coupling, inverse = _coupling(normal, precision)
    q = right[:TERMS] - np.einsum('tab,bt->at', coupling, right[TERMS:])
    gram = normal[:, :TERMS, :TERMS] - coupling @ normal[:, TERMS:, :TERMS]
    reduce = np.concatenate([np.broadcast_to(np.eye(TERMS), (times, TERMS, TERMS)), -coupling], axis=2)
    spread = reduce @ noise @ reduce.swapaxes(1, 2) + _prior_part(coupling, precision)
    const = weights @ pixels ** 2 - np.einsum('bt,tbc,ct->t', right[TERMS:], inverse, right[TERMS:])
    return StarSpace(q, np.moveaxis(gram, 0, -1), np.moveaxis(spread, 0, -1), const,
                     valid.sum(axis=0).astype('float64'))


def _coupling(normal, precision):
    """(C, (B'WB + precision)^-1) for normal matrices (n, all, all) of templates and nuisance."""
    inner = normal[:, TERMS:, TERMS:] + np.diag(precision)
    # Columns that no pixel sees, or two that no pixel tells apart, are held by a trace of a prior.
    scale = np.einsum('nbb->nb', inner).copy()
    scale[scale <= 0] = 1.0
    scale = scale ** -0.5
    inner = inner * scale[:, :, None] * scale[:, None] + TRACE * np.eye(len(precision))
    inverse = np.linalg.inv(inner) * scale[:, :, None] * scale[:, None]
    return normal[:, :TERMS, TERMS:] @ inverse, inverse


TRACE = 1e-9
"""What is added to the unit diagonal of the nuisance columns' normal matrix."""


def _prior_part(coupling, precision):
    """Covariance of q that comes from columns wandering as widely as their priors say, (n, 6, 6)."""
    return coupling * precision @ coupling.swapaxes(1, 2)


def _unpacked(pairs):
    """Symmetric matrices (6, 6, times) of their upper triangles (21, times)."""
    made = np.empty((TERMS, TERMS, pairs.shape[1]))
    made[_PAIRS] = pairs
    made[_PAIRS[::-1]] = pairs
    return made
