"""Figures that tell how good a light curve is."""

import numpy as np


def median(values):
    """Median of finite numbers; NaN of none. A third of the time of `numpy.median`.

    Parameters
    ----------
    values : ndarray (n,)
    """
    half = values.size // 2
    if not values.size:
        return np.nan
    parted = values.copy()
    parted.partition(half)
    if values.size % 2:
        return float(parted[half])
    return 0.5 * (float(parted[:half].max()) + float(parted[half]))


def mad(values):
    """1.4826 times the median absolute deviation: the standard deviation of a Gaussian."""
    values = finite(values)
    return 1.4826 * median(np.abs(values - median(values)))


def finite(values):
    """The finite ones of some numbers, float64."""
    values = np.asarray(values, dtype='float64')
    keep = np.isfinite(values)
    return values if keep.all() else values[keep]


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
    if not keep.all():
        time, values = time[keep], values[keep]
    if not values.size:
        return np.empty(0)
    number = np.floor((time - time.min()) / width + 1e-6).astype(int)
    count = np.bincount(number)
    total = np.bincount(number, weights=values)
    return total[count > 0] / count[count > 0]


def rms_timescale(time, flux, timescale=1 / 24, level=None):
    """Scatter of the means in bins of a time scale, relative to the median flux.

    1.4826 MAD of the bin means, ppm; NaN for a median that is not positive and
    for less than two bins.
    """
    level, means = _level(flux, level), bin_means(time, flux, timescale)
    return mad(means) / level * 1e6 if level > 0 and means.size > 1 else np.nan


def point_to_point(flux, level=None):
    """Median absolute difference of successive cadences, ppm of the median flux."""
    level = _level(flux, level)
    steps = finite(np.abs(flux[1:] - flux[:-1]))
    return median(steps) / level * 1e6 if level > 0 and steps.size else np.nan


def variability(time, flux, flux_err, order=3):
    """Scatter about a slow polynomial, in units of the reported error.

    About 1 for a constant star whose errors are right.
    """
    keep = np.isfinite(flux) & np.isfinite(time) & np.isfinite(flux_err)
    if keep.sum() <= order + 1:
        return np.nan
    if not keep.all():
        time, flux, flux_err = time[keep], flux[keep], flux_err[keep]
    error = median(flux_err)
    return mad(flux - _trend(time, flux, order)) / error if error > 0 else np.nan


def _trend(time, values, order):
    """Least-squares polynomial; its normal equations in Legendre polynomials are tame."""
    first, last = time.min(), time.max()
    place = 2 * (time - first) / ((last - first) or 1.0) - 1
    terms = np.ones((order + 1, place.size))
    terms[1:2] = place
    for n in range(2, order + 1):  # Legendre polynomials by their recurrence
        np.multiply(place, terms[n - 1], out=terms[n])
        terms[n] *= (2 * n - 1) / n
        terms[n] -= (n - 1) / n * terms[n - 2]
    scale = max(values.max(), -values.min()) or 1.0
    normal = terms @ terms.T + 1e-12 * values.size * np.eye(order + 1)  # stays regular with one time alone
    return scale * (np.linalg.solve(normal, terms @ (values / scale)) @ terms)


def _level(flux, level=None):
    return median(finite(flux)) if level is None else level


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
    known = finite(flux)
    level = median(known)
    return {
        'mean_flux': level,
        'variance': float(np.var(known)) if known.size else np.nan,
        'variability': variability(time, flux, flux_err),
        'rms_hour': rms_timescale(time, flux, level=level),
        'ptp': point_to_point(flux, level=level),
    }
