"""What lies in the mask of a star beside stars: straps behind the CCD, charge of others, asteroids."""

from __future__ import annotations

import numpy as np

from photometry.core.quality import PixelFlag, StarFlag

_SATURATED = int(PixelFlag.SATURATED)


def mark(photometry):
    """Set the bits of moving objects in ``pixel_quality`` and return the keywords of the header.

    Parameters
    ----------
    photometry : photometry.methods.base.BasePhotometry
        Finished.

    Returns
    -------
    dict
        Values of STARFLAG, N_STRAP, N_BLEED and N_MOVING; the first is left in ``details``, too.
    """
    mask = photometry.final_phot_mask
    if mask is None:
        return {}
    strap, bleed, moving = _straps(photometry, mask), _bled(photometry, mask), _moving(photometry, mask)
    flags = sum(int(flag) for number, flag in ((strap, StarFlag.STRAP), (bleed, StarFlag.BLEED),
                                               (moving, StarFlag.MOVING_OBJECT)) if number)
    photometry.details['star_flags'] = flags
    return {'STARFLAG': flags, 'N_STRAP': strap, 'N_BLEED': bleed, 'N_MOVING': moving}


def _straps(photometry, mask):
    """Pixels of the mask above straps; None where the source does not tell of straps."""
    columns = getattr(photometry.source.pixels.info, 'background_straps', None)
    if not columns:
        return None if columns is None else 0
    inside = np.asarray(columns, dtype=int) - photometry.stamp.col_min
    return int(mask[:, inside[(inside >= 0) & (inside < mask.shape[1])]].sum())


def _bled(photometry, mask):
    """Pixels of the mask that are full, or hold charge, but not of the star itself."""
    if not (photometry.columns['pixel_quality'] & _SATURATED).any():
        return 0
    from scipy import ndimage
    full = (np.bitwise_or.reduce(photometry.pixelflags_cube, axis=-1) & _SATURATED) != 0
    labels, _ = ndimage.label(full, structure=np.ones((3, 3)))
    row, column = photometry.stamp.row_min, photometry.stamp.col_min
    row, column = (int(np.floor(place - first + 0.5)) for place, first in
                   ((photometry.target_pos_row, row), (photometry.target_pos_column, column)))
    own = labels[max(row - 1, 0):row + 2, max(column - 1, 0):column + 2]
    return int((full & mask & ~np.isin(labels, own[own > 0])).sum())


def _moving(photometry, mask):
    """Cadences in which a moving object shines on the mask; None where no table of them is named."""
    crossings = photometry.context.crossings(photometry.source)
    if crossings is None:
        return None
    hit = crossings.of_mask(mask, photometry.stamp)[0]
    photometry.columns['pixel_quality'][hit] |= PixelFlag.MOVING_OBJECT
    return int(hit.sum())
