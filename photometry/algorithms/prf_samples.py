"""Mending and filtering PRF samples."""

from __future__ import annotations

import numpy as np


def filled(values):
    """Samples whose outermost row or column is empty, filled from the next one.

    36 of the 800 official PRFs have one such line of zeros, without which the
    sum over the pixels would fall by 0.4 % at one phase in nine.
    """
    for plane in (values, values.transpose(0, 2, 1)):
        for edge, inner in ((0, 1), (-1, -2)):
            empty = ~plane[:, edge].any(axis=1)
            plane[empty, edge] = plane[empty, inner]
    return values


def filtered(samples, oversample, transfer):
    """Samples whose Fourier transform is multiplied by something; beyond them are their edges.

    Parameters
    ----------
    samples : ndarray (..., n, n)
    oversample : int
    transfer : callable
        ``transfer(row, column)`` of the frequencies (n, 1) and (m,), radians a px.
    """
    pad = 3 * oversample
    wide = np.pad(samples, [(0, 0)] * (samples.ndim - 2) + [(pad, pad)] * 2, mode='edge')
    wave = 2 * np.pi * oversample * np.fft.fftfreq(wide.shape[-2])
    factor = transfer(wave[:, None], wave[:wide.shape[-1] // 2 + 1])
    return np.fft.irfft2(np.fft.rfft2(wide) * factor, wide.shape[-2:])[..., pad:-pad, pad:-pad]
