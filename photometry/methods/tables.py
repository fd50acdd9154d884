"""Tables that a photometry offers: the stars of a stamp, an empty light curve."""

import numpy as np

from photometry.core.coordinates import ccd_output
from photometry.core.quality import ApertureFlag, PixelFlag


def stars_table(source, stamp, row, column):
    """Stars that fall on a stamp.

    Parameters
    ----------
    source : photometry.methods.context.OpenSource
    stamp : Stamp
    row, column : ndarray (stars,)
        Zero-based positions of all stars of the catalogue.

    Returns
    -------
    astropy.table.Table
        starid, tmag, ra, dec (deg), row, column, row_stamp, column_stamp.
    """
    from astropy.table import Table
    inside = np.flatnonzero((row >= stamp.row_min - 0.5) & (row < stamp.row_max - 0.5)
                            & (column >= stamp.col_min - 0.5) & (column < stamp.col_max - 0.5))
    stars = source.catalog.stars[inside]
    return Table({'starid': stars['starid'], 'tmag': stars['tmag'], 'ra': stars['ra'], 'dec': stars['decl'],
                  'row': row[inside], 'column': column[inside], 'row_stamp': row[inside] - stamp.row_min,
                  'column_stamp': column[inside] - stamp.col_min})


class Columns:
    """Columns of equal length by name: what a light curve needs of a table, without its cost.

    An `astropy.table.Table` takes longer to make than the sums of a star. It is
    made when someone asks for it and shares its memory with the columns; from then
    on both show the same, whichever of them is changed.

    Parameters
    ----------
    arrays : dict
        Name to ndarray; not copied.
    """

    def __init__(self, arrays):
        self._arrays = dict(arrays)
        self._table = None

    @property
    def colnames(self):
        """Names of the columns."""
        return list(self._arrays) if self._table is None else self._table.colnames

    @property
    def table(self):
        """`astropy.table.Table` of the columns."""
        if self._table is None:
            from astropy.table import Table
            self._table = Table(self._arrays, copy=False)
        return self._table

    def __getitem__(self, name):
        return self._arrays[name] if self._table is None else np.asarray(self._table[name])

    def __setitem__(self, name, values):
        if self._table is None:
            self._arrays[name] = np.asarray(values)
        else:
            self._table[name] = values

    def __len__(self):
        return len(self[self.colnames[0]])


def empty_columns(time, timecorr, pixels, right, down):
    """A light curve whose fluxes are NaN.

    Parameters
    ----------
    time, timecorr : ndarray (times,)
        The star's own times.
    pixels : photometry.pixels.base.PixelSource
    right, down : ndarray (times,)
        Motion along columns and along rows, px.

    Returns
    -------
    Columns
        ``pos_corr`` and ``pos_centroid`` hold (column, row); centroids are zero-based.
    """
    size = time.size
    names = ('flux', 'flux_err', 'sap_flux', 'sap_flux_err', 'flux_background', 'flux_background_err')
    columns = {'time': time, 'timecorr': timecorr, 'cadenceno': pixels.cadenceno.copy()}
    columns |= dict(zip(names, np.full((len(names), size), np.nan), strict=True))
    columns |= {'quality': pixels.quality.copy(), 'pixel_quality': np.zeros(size, dtype='int32'),
                'pos_centroid': np.full((size, 2), np.nan), 'pos_corr': np.stack([right, down], axis=1)}
    return Columns(columns)


def output_bits(stamp):
    """`ApertureFlag` of the amplifier that reads each pixel, (rows, columns)."""
    bits = np.array([ApertureFlag.OUTPUT_A, ApertureFlag.OUTPUT_B,
                     ApertureFlag.OUTPUT_C, ApertureFlag.OUTPUT_D], dtype='int32')
    return np.broadcast_to(bits[ccd_output(np.arange(stamp.col_min, stamp.col_max))], stamp.shape)


def aperture_bits(cutout, photometry_mask=None, position_mask=None):
    """All `ApertureFlag` bits of a stamp, (rows, columns).

    Parameters
    ----------
    cutout : photometry.pixels.cutout.Cutout
    photometry_mask, position_mask : ndarray (rows, columns) of bool, optional
    """
    bits = output_bits(cutout.stamp) | np.where(cutout.collected, ApertureFlag.COLLECTED, 0)
    always = np.bitwise_and.reduce(cutout.pixelflags_cube, axis=-1)
    bits[(always & PixelFlag.NOT_USED_FOR_BACKGROUND) == 0] |= ApertureFlag.BACKGROUND
    for mask, bit in ((photometry_mask, ApertureFlag.PHOTOMETRY), (position_mask, ApertureFlag.CENTROID)):
        if mask is not None:
            bits[mask] |= bit
    return bits
