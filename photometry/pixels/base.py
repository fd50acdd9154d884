"""What the photometry asks of a source of pixels."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from photometry.core.stamp import Stamp

LAYERS = ('images', 'images_err', 'backgrounds', 'pixel_flags')
"""Layers that every source can be asked for."""


@runtime_checkable
class PixelSource(Protocol):
    """Pixels of one CCD, sector and cadence, of which stamps can be read.

    A source may also have ``background_sum(weights, stamp)``, (times,), for who needs no pixels of the
    background but a weighted sum of them; `photometry.pixels.cutout.Cutout` asks.

    Attributes
    ----------
    name : str
        The word registered under ``tessphot.sources``.
    path : path-like
        The file behind it, for messages.
    info : object
        The facts of `photometry.files.cube_schema.CubeInfo` as attributes: sector, camera, ccd, cadence...
    limits : Stamp
        All pixels there are.
    time, time_start, time_stop, timecorr : ndarray (times,)
        BTJD at the centre of the CCD, known faults of the clock mended, and the barycentric
        correction contained in them, days.
    cadenceno, quality : ndarray (times,) of int
    good : ndarray (times,) of bool
    wcs_text : str
        Header cards of the WCS of the reference frame, whose pixel (1, 1) is the
        first of the whole FFI.
    movement_kernel : ndarray (times, 6)
        Affine motion a frame against the reference frame, NaN where not measured.
    centre : tuple of float
        (row, column) about which the affine motion turns.
    warpmode : str
    star_wing : tuple or None
        Fraction, exponent and radius in px of the stars' wing; empty without one, None when unknown.
    psf : photometry.files.cube_psf.LearnedPRF or None
        The PRF learned from the stars, its wing included.
    starid : int or None
        Star whose target pixel file it is; None for other sources.
    aperture : ndarray (rows, columns) or None
        `~photometry.core.quality.ApertureFlag` bits that the mission gives the pixels of that file.
    extra_layers : tuple of str
        Layers beside `LAYERS`: ``backgrounds_err``, the standard error of the background, which
        the pixels of a cadence have in common.
    """

    name: str
    path: object
    info: object
    limits: Stamp
    time: np.ndarray
    time_start: np.ndarray
    time_stop: np.ndarray
    timecorr: np.ndarray
    cadenceno: np.ndarray
    quality: np.ndarray
    good: np.ndarray
    wcs_text: str
    movement_kernel: np.ndarray
    centre: tuple
    warpmode: str
    star_wing: tuple | None
    psf: object | None
    starid: int | None
    aperture: np.ndarray | None
    extra_layers: tuple

    def read(self, layer: str, stamp: Stamp) -> np.ndarray:
        """Pixels of a layer, (rows, columns, times)."""

    def sumimage(self, stamp: Stamp) -> np.ndarray:
        """Mean of the good images, (rows, columns), e-/s."""

    def close(self) -> None:
        """Close the file."""
