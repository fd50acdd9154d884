"""The noise of the detector: photons, read-out, the on-board clipping of extremes.

A frame is the mean of many 2-s reads. Where cosmic-ray mitigation is on, the
smallest and the largest of each block of reads are dropped before the sum.
Full frames are drawn from the mean and the variance that this leaves;
`read_by_read` does it literally, for comparison.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from photometry.core.coordinates import ccd_output
from photometry.core.units import SATURATION
from photometry.simulation.saturation import bleed

INT_TIME = 1.98
"""Seconds in which a 2-s read collects light (TESS Instrument Handbook, sec. 5.2)."""

FRAME_TIME = 2.0

READ_NOISE = (10.0578, 7.4646, 7.3080, 9.1686)
"""Electrons a read, outputs A..D: the header of the FFI tess2018206192942-s0001-1-4."""

GAIN = (5.35, 5.22, 5.22, 5.18)
"""Electrons a count, from the same header."""


@functools.cache
def clipping_factor(block=10) -> float:
    """Standard deviation of a mean of blocks without their extremes, over that of the plain mean.

    For normal reads; the covariance of a block's mean with its extremes is that
    of the mean with itself (Basu's theorem), so one double integral remains.

    Parameters
    ----------
    block : int
        Reads in a block, of which two are dropped; less than 3 means no clipping.
    """
    if block < 3:
        return 1.0
    kept = (block + _extremes_variance(block) - 4) / (block - 2) ** 2
    return float(np.sqrt(kept * block))


def _extremes_variance(block, limit=8.0, points=801):
    """Variance of smallest plus largest of normal numbers."""
    from scipy.special import ndtr
    value = np.linspace(-limit, limit, points)
    density = np.exp(-value ** 2 / 2) / np.sqrt(2 * np.pi)
    between = np.clip(ndtr(value) - ndtr(value)[:, None], 0, None)
    joint = block * (block - 1) * between ** (block - 2) * density * density[:, None]
    return ((value + value[:, None]) ** 2 * joint).sum() * (value[1] - value[0]) ** 2


@dataclass(frozen=True)
class Detector:
    """How a frame is read out.

    Parameters
    ----------
    cadence : int
        Seconds.
    crmiten : bool
        Whether extremes are clipped on board.
    """

    cadence: int
    crmiten: bool = True
    crblksz: int = 10
    readnoise: tuple = READ_NOISE
    gain: tuple = GAIN
    full_well: float = SATURATION

    @property
    def num_frm(self) -> int:
        """Reads in a frame."""
        return int(self.cadence // FRAME_TIME)

    @property
    def n_readout(self) -> int:
        """Reads that are kept."""
        blocks = -(-self.num_frm // self.crblksz)
        return self.num_frm - 2 * blocks if self.crmiten else self.num_frm

    @property
    def factor(self) -> float:
        """`clipping_factor` of this detector."""
        return clipping_factor(self.crblksz) if self.crmiten else 1.0

    @property
    def deadc(self) -> float:
        """Part of the time in which light counts."""
        return self.n_readout * INT_TIME / (self.num_frm * FRAME_TIME)

    def read_variance(self, column):
        """Electrons squared that one read adds in the given columns: read-out and rounding."""
        output = ccd_output(column)
        return np.array(self.readnoise)[output] ** 2 + np.array(self.gain)[output] ** 2 / 12

    def variance(self, rate, column):
        """True variance, (e-/s)^2, of pixels with a rate in e-/s, last axis columns."""
        photons = np.maximum(rate, 0) * INT_TIME
        return self.factor ** 2 * (photons + self.read_variance(column)) / (INT_TIME ** 2 * self.num_frm)

    def uncertainty(self, rate, column):
        """What the pipeline of the mission states: photons and read-out of the reads kept."""
        time = np.float32(INT_TIME * self.n_readout)
        floor = (self.read_variance(column) / INT_TIME).astype('float32')
        stated = np.maximum(rate, np.float32(0))
        stated += floor
        stated /= time
        return np.sqrt(stated, out=stated)

    def expose(self, rate, column, rng):
        """One noisy frame.

        Parameters
        ----------
        rate : array (rows, columns), float32
            Light that falls on the pixels, e-/s; changed in place.
        column : array (columns,)
            Zero-based CCD columns.
        rng : numpy.random.Generator

        Returns
        -------
        image : array (rows, columns), float32
            The argument, with noise, nothing above the full well.
        saturated : array of bool
            Pixels that were full in every read.
        """
        full = self.full_well / INT_TIME
        over = np.flatnonzero((rate > full).any(axis=0))
        scale = np.float32(self.factor ** 2 / (INT_TIME * self.num_frm))
        floor = (self.read_variance(column) / INT_TIME).astype('float32')
        noise = rng.standard_normal(rate.shape, dtype='float32')
        saturated = np.zeros(rate.shape, dtype=bool)
        if len(over):
            wells = rate[:, over] + noise[:, over] * np.sqrt(np.maximum(rate[:, over], 0) * scale)
            bleed(wells, full)
            saturated[:, over] = wells >= full * (1 - 1e-6)
            reading = rng.standard_normal(wells.shape, dtype='float32') * np.sqrt(floor[over] * scale)
        sigma = np.maximum(rate, np.float32(0))
        sigma += floor
        sigma *= scale
        np.sqrt(sigma, out=sigma)
        noise *= sigma
        rate += noise
        if len(over):
            rate[:, over] = wells + reading
        return rate, saturated


def read_by_read(rate, readnoise, detector, rng):
    """Frames made of single reads, clipped as on board.

    Parameters
    ----------
    rate : array (n,)
        e-/s.
    readnoise : float
        Electrons.
    detector : Detector

    Returns
    -------
    array (n,), e-/s
    """
    kept = np.zeros(np.shape(rate))
    for start in range(0, detector.num_frm, detector.crblksz):
        size = min(detector.crblksz, detector.num_frm - start)
        reads = rng.poisson(np.asarray(rate) * INT_TIME, (size, *np.shape(rate))).astype('float64')
        reads += readnoise * rng.standard_normal(reads.shape)
        kept += reads.sum(axis=0)
        if detector.crmiten:
            kept -= reads.min(axis=0) + reads.max(axis=0)
    return kept / (INT_TIME * detector.n_readout)
