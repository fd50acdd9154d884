"""A reader of our light curves for lightkurve, which names the author and honours ``flux_column``."""

import numpy as np

from photometry.files import lightcurve

_UNITS = {'e-/s': 'electron/s', 'pixels': 'pixel', 'd': 'day'}


def read(path, flux_column=None, quality_bitmask='default'):
    """A `lightkurve.TessLightCurve` from one of our files.

    Parameters
    ----------
    path : path-like
    flux_column : str, optional
        Column that becomes ``flux``: any of the file, such as ``flux_aperture`` where all fluxes
        were kept. By default ``flux``, in the layout ``tasoc`` ``flux_corr``.
    quality_bitmask : str or int
        Cadences left out, as in `lightkurve.utils.TessQualityFlags`.

    Returns
    -------
    lightkurve.TessLightCurve
        With every other column of the file under its name in lower case;
        errors are NaN for a column without any.

    Raises
    ------
    KeyError
        When the file has no such column.
    """
    from astropy.time import Time
    from lightkurve import TessLightCurve
    from lightkurve.utils import TessQualityFlags
    found = lightcurve.read_lightcurve(path)
    columns = _with_units(found)
    chosen = (flux_column or ('flux_corr' if found.layout == 'tasoc' else 'flux')).lower()
    if chosen not in columns:
        raise KeyError(f'{path} has no column {chosen}; it has {", ".join(columns)}.')
    keep = TessQualityFlags.create_quality_mask(found.quality, bitmask=quality_bitmask)
    flux, none = columns[chosen], columns[chosen] * np.nan
    made = TessLightCurve(time=Time(found.columns['TIME'][keep], format='btjd', scale='tdb'),
                          flux=flux[keep], flux_err=columns.get(chosen + '_err', none)[keep])
    for name, values in columns.items():
        if name not in ('time', 'flux', 'flux_err'):
            made[name] = values[keep]
    for name, source in (('centroid_col', 'mom_centr1'), ('centroid_row', 'mom_centr2')):
        made[name] = columns[source][keep]
    made.meta.update(_meta(found, chosen, quality_bitmask))
    made.meta['QUALITY_MASK'] = keep
    return made


def _with_units(found):
    """Columns of a file by their names in lower case, as quantities where they have a unit."""
    from astropy import units
    from lightkurve.units import ppm
    columns = {}
    for number, (name, values) in enumerate(found.columns.items(), start=1):
        word = found.table.get(f'TUNIT{number}')
        if word and name != 'TIME':
            values = values * (ppm if word == 'ppm' else units.Unit(_UNITS[word]))
        columns[name.lower()] = values
    return columns


def _meta(found, flux_column, quality_bitmask):
    head = found.primary
    meta = {name: head[name] for name in head
            if name not in ('COMMENT', 'HISTORY', '', 'SIMPLE', 'BITPIX', 'NAXIS', 'EXTEND')}
    return meta | {'AUTHOR': 'tessphot', 'TARGETID': head['TICID'], 'LABEL': head['OBJECT'],
                   'MISSION': 'TESS', 'RA': head['RA_OBJ'], 'DEC': head['DEC_OBJ'],
                   'FLUX_ORIGIN': flux_column, 'QUALITY_BITMASK': quality_bitmask,
                   'FILENAME': str(found.path)}


def register():
    """Make ``lightkurve.LightCurve.read(path, format='tessphot')`` work."""
    from astropy.io import registry
    from lightkurve import LightCurve
    registry.register_reader('tessphot', LightCurve, read, force=True)
