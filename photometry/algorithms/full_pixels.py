"""Pixels that are full, and those that hold the charge of full ones."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import masks

FULL = 0.9
"""Part of what full pixels hold above which a pixel is not linear."""

LONG_REACH = 10
EXCESS, NOISES = 0.1, 5.0
"""Pixels beyond a run of full ones that are looked at, and by how much more than the model
they must hold to be left out: a part of it and standard errors."""


def highest(images, sumimage, good):
    """Greatest value of the pixels that may be full in some good frame, the mean of the others.

    Parameters
    ----------
    images : ndarray (rows, columns, times)
    sumimage : ndarray (rows, columns)
        Their mean.
    good : ndarray (times,) of bool

    Returns
    -------
    ndarray (rows, columns)
        NaN counts as 0.
    """
    made = np.nan_to_num(sumimage, nan=0.0)
    bright = masks.may_fill(made)
    if bright.any() and good.any():
        made[bright] = np.nan_to_num(images[bright][:, good], nan=0.0).max(axis=-1)
    return made


def spoilt(peak):
    """Full pixels and those along their columns that may hold their charge, (rows, columns) of bool."""
    return masks.bleeding(masks.saturated(peak))


def truly_spoilt(peak, model, slopes, shift, noise, excess=EXCESS):
    """The same where a model of all light tells which of these pixels hold charge of others.

    A pixel is linear when it stays below what full pixels of the stamp hold and shows no
    more light than the model has there at any displacement.

    Parameters
    ----------
    peak : ndarray (rows, columns)
        `highest` of the pixels.
    model : ndarray (rows, columns)
        All light in the mean image, e-/s.
    slopes : ndarray (2, rows, columns)
        Its change by a displacement in row and column, e-/s a px.
    shift : ndarray (times, 2)
        Motion in the good frames, px.
    noise : ndarray (rows, columns)
        Variance of a pixel in one frame.
    excess : float
        Part of the model by which a pixel must exceed it.
    """
    full = masks.saturated(peak)
    if not full.any():
        return full
    well = np.median(peak[full])
    reach = np.abs(shift).max(axis=0, initial=0.0)
    most = model + np.tensordot(reach, np.abs(slopes), 1)
    beyond = peak > (1 + excess) * most + NOISES * np.sqrt(noise)
    return (peak > FULL * well) | (masks.bleeding(full, LONG_REACH) & beyond)
