"""Figures that tell how good a light curve is."""

import numpy as np


def mad(values):
    """1.4826 times the median absolute deviation: the standard deviation of a Gaussian."""
    values = np.asarray(values, dtype='float64')
    values = values[np.isfinite(values)]
    if values.size == 0:
        return np.nan
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def bin_means(time, values, width):
    """Means in bins of time.

    Parameters
    ----------
    time, values : ndarray (times,)
        Values that are not finite are left out.
    width : float
        Bin width in the unit of ``time``; empty bins give nothing.
    """
    keep = np.isfinite(values) & np.isfinite(time)
    if not keep.any():
        return np.empty(0)
    number = np.floor((time[keep] - time[keep].min()) / width + 1e-6).astype(int)
    count = np.bincount(number)
    total = np.bincount(number, weights=values[keep])
    return total[count > 0] / count[count > 0]


def rms_timescale(time, flux, timescale=1 / 24):
    """Scatter of the means in bins of a time scale, relative to the median flux.

    1.4826 MAD of the bin means, ppm; NaN for a median that is not positive and
    for less than two bins.
    """
    level, means = _level(flux), bin_means(time, flux, timescale)
    return mad(means) / level * 1e6 if level > 0 and means.size > 1 else np.nan


def point_to_point(flux):
    """Median absolute difference of successive cadences, ppm of the median flux."""
    level = _level(flux)
    steps = np.abs(np.diff(np.asarray(flux, dtype='float64')))
    steps = steps[np.isfinite(steps)]
    return float(np.median(steps)) / level * 1e6 if level > 0 and steps.size else np.nan


def variability(time, flux, flux_err, order=3):
    """Scatter about a slow polynomial, in units of the reported error.

    About 1 for a constant star whose errors are right.
    """
    keep = np.isfinite(flux) & np.isfinite(time) & np.isfinite(flux_err)
    if keep.sum() <= order + 1:
        return np.nan
    span = np.ptp(time[keep]) or 1.0
    place = 2 * (time[keep] - time[keep].min()) / span - 1
    values = np.asarray(flux, dtype='float64')[keep]
    trend = np.polynomial.legendre.legvander(place, order)
    weights, *_ = np.linalg.lstsq(trend, values, rcond=None)
    error = float(np.median(np.asarray(flux_err, dtype='float64')[keep]))
    return mad(values - trend @ weights) / error if error > 0 else np.nan


def _level(flux):
    flux = np.asarray(flux, dtype='float64')
    flux = flux[np.isfinite(flux)]
    return float(np.median(flux)) if flux.size else np.nan


def summary(time, flux, flux_err, good):
    """The columns of ``diagnostics`` that describe a light curve.

    Parameters
    ----------
    time : ndarray (times,)
        Days.
    flux, flux_err : ndarray (times,)
        e-/s.
    good : ndarray (times,) of bool
        Cadences that count.

    Returns
    -------
    dict
        mean_flux (median, e-/s), variance ((e-/s)^2), variability, rms_hour (ppm), ptp (ppm).
    """
    time, flux, flux_err = (np.asarray(values, dtype='float64')[good] for values in (time, flux, flux_err))
    finite = flux[np.isfinite(flux)]
    return {
        'mean_flux': _level(flux),
        'variance': float(np.var(finite)) if finite.size else np.nan,
        'variability': variability(time, flux, flux_err),
        'rms_hour': rms_timescale(time, flux),
        'ptp': point_to_point(flux),
    }
