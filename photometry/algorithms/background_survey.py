"""First look at a mean frame: its starlight, the pixels that serve for the sky, the straps."""

from __future__ import annotations

import dataclasses
import logging
from typing import NamedTuple

import numpy as np

from photometry.algorithms import background_fit, backgrounds, starlight, straps
from photometry.algorithms import wing as wing_model
from photometry.algorithms.prf import Wing

logger = logging.getLogger(__name__)

BRIGHT = 8.0
"""Stars brighter than this magnitude have wings that must not pass for sky."""

WING_LIMITS = 1.0, 4.0
"""Most light of bright stars' wings on usable pixels, e-/s: wing supposed, wing learned."""

DARKEST = 5.0
"""Median sky in e-/s below which no strap is looked for."""


class Survey(NamedTuple):
    """What `background_fit.fit_frame` needs for every frame of a cube."""

    layout: backgrounds.BackgroundLayout
    mask: np.ndarray
    light: np.ndarray
    wing: Wing
    fit: background_fit.BackgroundFit


def survey(image, layout, row, column, tmag, prf, bad=None) -> Survey:
    """Learn from the mean of some good frames what does not change from frame to frame.

    Parameters
    ----------
    image : array (height, width)
        Mean on the layout's limits, e-/s, sky included.
    layout : BackgroundLayout
        Without straps.
    row, column, tmag : arrays (n,)
        Catalogue stars, zero-based CCD positions.
    prf : photometry.algorithms.prf.PRF
    bad : bool array (height, width), optional
        Pixels not to be used for another reason.
    """
    image = np.asarray(image)
    bad = ~np.isfinite(image) | (False if bad is None else bad)
    stars = tuple(np.asarray(values, dtype='f8') for values in (row, column, tmag))
    bad |= starlight.bleed_mask(layout.limits, *stars)
    wing = prf.wing or starlight.TYPICAL_WING
    light, mask = _look(layout, stars, prf, wing, bad, WING_LIMITS[prf.wing is not None])
    # straps first: they would pass for wings
    layout, fit = _find_straps(image, light, mask, layout)
    if prf.wing is None:
        learned = _learn_wing(image, layout, fit, stars, prf)
        if learned is not None:
            wing = learned
            light, mask = _look(layout, stars, prf, wing, bad, WING_LIMITS[1])
            layout, fit = _find_straps(image, light, mask, layout)
    return Survey(layout, mask, light, wing, fit)


def _look(layout, stars, prf, wing, bad, wing_limit):
    """Expected starlight and the pixels that it leaves."""
    bright = stars[2] < BRIGHT
    light = starlight.render(layout.limits, *(values[~bright] for values in stars), prf, wing)
    if not bright.any():
        return light, starlight.star_mask(light, mesh=layout.box) | bad
    wings = starlight.render(layout.limits, *(values[bright] for values in stars), prf, wing)
    light += wings
    return light, starlight.star_mask(light, mesh=layout.box) | (wings > wing_limit) | bad


def _learn_wing(image, layout, fit, stars, prf):
    sky = backgrounds.evaluate(layout, fit.parameters)
    limits = layout.limits
    learned = wing_model.fit_wing(image - sky, *stars, prf, (limits.row_min, limits.col_min))
    if learned is not None:
        logger.info('Stars have %.1f %% of their light in a wing of exponent %.2f.',
                    100 * learned.fraction, learned.exponent)
    return learned


def _find_straps(image, light, mask, layout, rounds=3):
    """Layout with the columns that stand out, and the fit with them."""
    fit = background_fit.fit_frame(image, mask, layout, light)
    if layout.mesh_size <= 4 or not np.isfinite(fit.parameters).all():
        return layout, fit
    data = np.where(mask, np.nan, image - light).astype('f4')
    for _ in range(rounds):
        bare = fit.parameters.copy()
        bare[layout.strap_slice] = 0
        smooth = backgrounds.evaluate(layout, bare)
        if np.median(smooth) < DARKEST:
            break
        found = straps.find(data, smooth, layout.strap_index)
        columns = tuple((found + layout.limits.col_min).tolist())
        if columns == layout.strap_columns:
            break
        layout = dataclasses.replace(layout, strap_columns=columns)
        fit = background_fit.fit_frame(image, mask, layout, light)
    logger.info('%d columns answer to the sky in a way of their own.', len(layout.strap_columns))
    return layout, fit
