"""Hits of cosmic rays: short tracks of charge in single reads."""

import numpy as np

from photometry.simulation.noise import FRAME_TIME, INT_TIME

RATE = 5.0 * 0.0015 ** 2
"""Hits per second and pixel: five a second and square centimetre, pixels of 15 um
(TESS Instrument Handbook, sec. 2.2)."""

CHARGE = 1500.0
"""Median electrons that a hit leaves."""

SURVIVING = 0.003
"""Part of the hits that get past the on-board clipping, as a second one of a block."""


def add_hits(image, detector, rng):
    """Add what hits leave in one frame, in place.

    Parameters
    ----------
    image : array (rows, columns), float32
        e-/s.
    detector : photometry.simulation.noise.Detector
    rng : numpy.random.Generator

    Returns
    -------
    int
        Number of tracks.
    """
    expected = RATE * image.size * detector.num_frm * FRAME_TIME * (SURVIVING if detector.crmiten else 1)
    count = rng.poisson(expected)
    row, column = rng.uniform(0, image.shape[0], count), rng.uniform(0, image.shape[1], count)
    charge = CHARGE * rng.lognormal(0, 0.7, count)
    length, angle = rng.exponential(1.5, count), rng.uniform(0, 2 * np.pi, count)
    for part in (0, 0.25, 0.5, 0.75):
        rows = (row + part * length * np.sin(angle)).astype(int)
        columns = (column + part * length * np.cos(angle)).astype(int)
        inside = (rows >= 0) & (rows < image.shape[0]) & (columns >= 0) & (columns < image.shape[1])
        light = charge[inside] / 4 / (INT_TIME * detector.num_frm)
        np.add.at(image, (rows[inside], columns[inside]), light.astype('float32'))
    return count
