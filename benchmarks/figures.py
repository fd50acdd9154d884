"""Figures of light curves: scatter over bounds and floors, bias, errors; then of bins of magnitude."""

import numpy as np

from photometry.algorithms import metrics, noise
from photometry.core import quality
from photometry.core.quality import ApertureFlag

FLOORS = ('stassun', 'tasoc', 'own')
"""Expected noise of one hour: Stassun's polynomial, TASOC's model, that of the star's own mask."""

COLUMNS = ('ratio', 'neighbours', 'bias', 'flux_err', 'contamination', *FLOORS)
"""Figures of a star of which a bin has the median."""


def of_curve(curve, tmag):
    """What a light curve tells without a truth, as a dictionary.

    scatter (1.4826 MAD per cadence) and level (median), e-/s; rms_hour, ppm; flux_err over
    scatter; rms_hour over the floors. None where the flux is no number in half of the good cadences.
    """
    good = quality.good(curve.columns['QUALITY'])
    time, flux, error = (curve.columns[name][good].astype('f8') for name in ('TIME', 'FLUX', 'FLUX_ERR'))
    if not good.any() or np.isfinite(flux).mean() < 0.5:
        return None
    scatter, level = metrics.mad(flux), float(np.nanmedian(flux))
    hour = metrics.rms_timescale(time, flux)
    floors = {'stassun': float(noise.stassun_floor(tmag)), 'tasoc': float(noise.tasoc_floor(tmag)),
              'own': own_floor(curve, level, good)}
    return {'scatter': scatter, 'level': level, 'rms_hour': hour,
            'flux_err': float(np.nanmedian(error)) / scatter if scatter > 0 else np.nan,
            'contamination': curve.primary.get('AP_CONT'),
            **{f'{name}_floor': value for name, value in floors.items()},
            **{name: hour / value for name, value in floors.items()}}


def own_floor(curve, level, good):
    """White noise of one hour in the star's own mask, ppm; NaN for files without mask or read noise."""
    mask = (curve.aperture & ApertureFlag.PHOTOMETRY) != 0
    reading = curve.primary.get('READNOIS', curve.table.get('READNOIS'))
    sky, light = (np.nanmedian(curve.columns[name][good]) if np.isfinite(curve.columns[name][good]).any()
                  else np.nan for name in ('FLUX_BKG', 'SAP_FLUX'))
    if reading is None or not mask.any() or not level > 0:
        return np.nan
    return float(noise.star_floor(level, light, sky, mask.sum(), reading))


def of_star(curve, bounds, star, merged=()):
    """The same with ratio (scatter over the bound), neighbours (over that with neighbours) and bias.

    The bound of a star that fills pixels by itself is that of the pixels kept. Where the
    photometry says that it merged the star with others, the sum of their light is the truth.

    Parameters
    ----------
    curve : object
    bounds : bounds.Bounds
    star : int
        Row of the simulation's table.
    merged : sequence of int
        Numbers of the stars that FLUX holds as well.
    """
    stars = bounds.simulation.stars
    found = of_curve(curve, float(stars['tmag'][star]))
    if found is None:
        return None
    flux = float(stars['flux'][star] + stars['flux'][np.isin(stars['starid'], merged)].sum())
    limit = bounds.of_kept(star) if bounds.saturates(star) else bounds.alone(star, flux)
    crowd = np.nan if len(merged) else float(bounds.with_neighbours[star])
    return found | {'bound': limit, 'ratio': found['scatter'] / limit, 'neighbours': found['scatter'] / crowd,
                    'bias': found['level'] / flux - 1}


def of_bin(rows, edges):
    """Medians of the stars in a bin of magnitude, None without a light curve."""
    done = [row for row in rows if row['done']]
    if not done:
        return {'tmag': list(edges), 'stars': len(rows), 'completeness': 0.0} if rows else None
    made = {'tmag': list(edges), 'stars': len(rows), 'completeness': len(done) / len(rows),
            'merged': float(np.mean([bool(row.get('merged')) for row in rows]))}
    for name in COLUMNS:
        values = np.array([np.nan if row.get(name) is None else row[name] for row in done], dtype='f8')
        values = values[np.isfinite(values)]
        if values.size:
            made[name] = float(np.median(values))
            made[f'{name}_error'] = float(1.2533 * metrics.mad(values) / np.sqrt(values.size))
            made[f'{name}_90'] = float(np.percentile(values, 90))
    return made


def within(rows, edges):
    """Rows of the stars in a bin of magnitude."""
    return [row for row in rows if edges[0] <= row['tmag'] < edges[1]]
