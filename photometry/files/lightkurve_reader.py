"""A reader of our light curves for lightkurve, which names the author and honours ``flux_column``."""

from photometry.files import lightcurve


def read(path, flux_column='flux', quality_bitmask='default'):
    """A `lightkurve.TessLightCurve` from one of our files.

    Parameters
    ----------
    path : path-like
    flux_column : str
        Column that becomes ``flux``: ``flux``, ``sap_flux`` or any other of the file.
    quality_bitmask : str or int
        Cadences left out, as in `lightkurve.utils.TessQualityFlags`.

    Raises
    ------
    KeyError
        When the file has no such column.
    """
    from astropy import units
    from astropy.time import Time
    from lightkurve import TessLightCurve
    from lightkurve.utils import TessQualityFlags
    found = lightcurve.read_lightcurve(path)
    columns = {name.lower(): values for name, values in found.columns.items()}
    bits = 'pixel_quality' if found.layout == 'tasoc' else 'quality'
    keep = TessQualityFlags.create_quality_mask(columns[bits], bitmask=quality_bitmask)
    unit = units.Unit('electron/s')
    made = TessLightCurve(
        time=Time(columns['time'][keep], format='btjd', scale='tdb'),
        flux=columns[flux_column][keep] * unit,
        flux_err=columns[flux_column + '_err'][keep] * unit)
    for name in ('timecorr', 'cadenceno', 'quality', 'pixel_quality'):
        made[name] = columns[name][keep]
    made['centroid_col'] = columns['mom_centr1'][keep] * units.pixel
    made['centroid_row'] = columns['mom_centr2'][keep] * units.pixel
    made.meta.update(_meta(found, flux_column, quality_bitmask))
    made.meta['QUALITY_MASK'] = keep
    return made


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
