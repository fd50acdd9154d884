"""The noise that a star's own aperture must have: photons, sky and read noise."""

import numpy as np

from photometry.algorithms import noise
from photometry.core import quality

READNOISE = 10.0
"""Electrons a pixel and read, where a file does not tell."""


def own_floor(curve) -> float:
    """White noise of one hour of a light curve's mask, ppm of the star's own light; NaN where there is none.

    Parameters
    ----------
    curve : photometry.files.lightcurve.LightcurveFile
    """
    is_tasoc, primary = curve.layout == 'tasoc', curve.primary
    good = quality.good(curve.quality)
    plain, sky = (typical(curve.columns[name][good])
                  for name in ('FLUX_RAW' if is_tasoc else 'SAP_FLUX', 'FLUX_BKG'))
    # Noise of the corrected flux: that of the mask over the part of the star in it. The layout tasoc
    # keeps no level of the star's own light, but what part of the sum it is.
    if is_tasoc:
        within = plain * (primary.get('CROWDSAP') or np.nan)
    else:
        within = typical(curve.columns['FLUX'][good]) * (primary.get('FLFRCSAP') or np.nan)
    if not within > 0:
        return np.nan
    pixels = int(curve.mask.sum())
    return float(noise.star_floor(within, plain, sky, pixels, float(primary.get('READNOIS') or READNOISE)))


def typical(values) -> float:
    """Median of what is finite, NaN of nothing: without a mask there is no plain sum."""
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else np.nan
