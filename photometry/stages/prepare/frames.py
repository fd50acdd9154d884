"""What is done to a single frame, in whichever process: the background first, the pixels later."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from photometry.algorithms import background_fit, backgrounds, badpixels
from photometry.core.errors import InputBadError, InputMissingError
from photometry.core.quality import CadenceFlag

USED, REJECTED = 1, 2


@dataclass(frozen=True)
class FrameContext:
    """What every frame of a field needs; it travels to the worker processes."""

    source: object
    key: tuple[int, int, int]
    layout: backgrounds.BackgroundLayout
    mask: np.ndarray
    """Pixels of no use for the background."""
    light: np.ndarray
    """Expected starlight, e-/s."""
    saturated: np.ndarray
    stars: np.ndarray
    """Reference image less its background, e-/s."""

    @cached_property
    def pixels(self):
        """Those that serve for the background, box by box."""
        return self.layout.pixels(~self.mask)


class FrameFit(NamedTuple):
    """Background of a frame, or why it is left out."""

    status: int
    quality: int
    """Bits to be added to those of the frame."""
    text: str
    numbers: np.ndarray | None
    """Parameters and their errors, one behind the other."""


def fit(context, index) -> FrameFit:
    """Background parameters of a frame."""
    try:
        image, uncertainty = context.source.read(index)
    except (InputBadError, InputMissingError) as error:
        return FrameFit(REJECTED, 0, str(error), None)
    if not np.isfinite(image).any():
        return FrameFit(REJECTED, 0, f'{context.source.names[index]} has no pixel with a value.', None)
    if badpixels.empty(image):
        return FrameFit(USED, int(CadenceFlag.MANUAL_EXCLUDE), 'all its pixels are zero', None)
    if by_rule(context, index).all():
        return FrameFit(USED, int(CadenceFlag.MANUAL_EXCLUDE), 'a rule excludes all its pixels', None)
    unusable = context.mask | excluded(context, index, uncertainty)
    made = background_fit.fit_frame(image, unusable, context.layout, context.light,
                                 context.pixels)
    return FrameFit(USED, 0, '', np.concatenate([made.parameters, made.errors]))


def subtract(context, item):
    """Pixels of a frame for the cube.

    Parameters
    ----------
    item : (index, parameters)
        Of the frame; the parameters are those of its background, NaN where it has none.

    Returns
    -------
    images, images_err : float32 array (rows, columns)
    pixel_flags : uint8 array (rows, columns)
    """
    index, parameters = item
    image, uncertainty = context.source.read(index)
    left_out = excluded(context, index, uncertainty)
    if not np.isfinite(parameters).all():
        image = np.full_like(image, np.nan)
        sky = np.float32(0)
    else:
        sky = backgrounds.evaluate(context.layout, parameters)
    with np.errstate(over='ignore', invalid='ignore'):
        image -= sky
    artefact = badpixels.artefacts(image - context.stars, context.stars)
    not_used = context.mask | left_out
    return image, uncertainty, badpixels.frame_flags(image, not_used, left_out, context.saturated, artefact)


def excluded(context, index, uncertainty):
    """Pixels without an uncertainty or left out by rule."""
    return by_rule(context, index) | ~np.isfinite(uncertainty)


def by_rule(context, index):
    """Pixels left out of a frame by rule."""
    return badpixels.excluded(context.source.limits, *context.key, context.source.frames[index].time)
