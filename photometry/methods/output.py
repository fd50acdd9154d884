"""From a finished photometry to its light-curve file."""

from __future__ import annotations

from pathlib import Path

from photometry.core import starids
from photometry.core.coordinates import to_one_based
from photometry.files import hlsp, paths
from photometry.files import lightcurve as lightcurve_file
from photometry.methods import neighbours

DAY = 86400.0


def save(photometry, output_folder, version):
    """Write the light curve of a photometry and return its path."""
    writer = photometry.context.lightcurves
    path = Path(output_folder) / _name(photometry, writer, version)
    around, psf_cont = neighbours.describe(photometry)
    photometry.details.setdefault('psf_cont', psf_cont)
    content = lightcurve_file.Lightcurve(
        columns=_columns(photometry), primary=_primary(photometry, version),
        table=_table(photometry), sumimage=photometry.sumimage, aperture=photometry.aperture,
        wcs_text=photometry.source.stamp_headers.of(photometry.stamp),
        weightmap=getattr(photometry, 'weightmap', None), neighbours=around,
        extra=photometry.additional_headers | _choice(photometry) | _provenance(photometry))
    writer.write(path, content)
    return path


def _name(photometry, writer, version):
    """Path of the file below the output directory, by the layout."""
    starid, cadence = photometry.starid, round(photometry.cadence)
    place = starid, photometry.sector, photometry.camera, photometry.ccd, cadence
    if writer.layout != 'hlsp':
        return paths.lightcurve_name(*place, photometry.data_rel, version, writer.layout, writer.compress)
    name = hlsp.file_name(writer.collection.id, *place, version, photometry.datasource.partition(':')[0])
    return paths.star_folder(starid, cadence) / (name + ('.gz' if writer.compress else ''))


def _columns(photometry):
    table = photometry.columns
    names = {'TIME': 'time', 'TIMECORR': 'timecorr', 'CADENCENO': 'cadenceno', 'FLUX': 'flux',
             'FLUX_ERR': 'flux_err', 'SAP_FLUX': 'sap_flux', 'SAP_FLUX_ERR': 'sap_flux_err',
             'FLUX_BKG': 'flux_background', 'FLUX_BKG_ERR': 'flux_background_err',
             'QUALITY': 'quality', 'PIXEL_QUALITY': 'pixel_quality'}
    columns = {name: table[column] for name, column in names.items()}
    for axis in (0, 1):
        columns[f'MOM_CENTR{axis + 1}'] = to_one_based(table['pos_centroid'][:, axis])
        columns[f'POS_CORR{axis + 1}'] = table['pos_corr'][:, axis]
        if 'pos_centroid_err' in table.colnames:
            columns[f'MOM_CENTR{axis + 1}_ERR'] = table['pos_centroid_err'][:, axis]
    if 'chi2' in table.colnames:
        columns['PSF_CHI2'] = table['chi2']
    if photometry.settings.lightcurve.all_fluxes:
        columns |= _all_fluxes(photometry)
    return columns


def _all_fluxes(photometry):
    """FLUX of every method that was tried, by the names of their columns."""
    found = getattr(photometry, 'all_fluxes', {photometry.method: photometry.columns})
    columns = {}
    for method, table in sorted(found.items()):
        columns[f'FLUX_{method.upper()}'] = table['flux']
        columns[f'FLUX_{method.upper()}_ERR'] = table['flux_err']
    return columns


def _choice(photometry):
    """What was tried and why this one was kept."""
    if not getattr(photometry, 'automatic', False):
        return {}
    return {'TRIED': (photometry.details['methods_tried'], 'methods tried'),
            'CHOICE': photometry.details['choice_reason']}


def _primary(photometry, version):
    target, info = photometry.target, photometry.source.pixels.info
    details = photometry.details
    software = photometry.context.software
    contamination = details.get('contamination')
    return {
        'CREATOR': f'tessphot {software} LightCurve',
        'OBJECT': starids.name(target['starid'], target.get('gaia')),
        'TICID': target['starid'],
        'SECTOR': info.sector, 'CAMERA': info.camera, 'CCD': info.ccd,
        'RA_OBJ': target['ra_J2000'], 'DEC_OBJ': target['decl_J2000'],
        'PMRA': target['pm_ra'], 'PMDEC': target['pm_decl'],
        'TESSMAG': target['tmag'], 'TEFF': target['teff'],
        'TICVER': str(photometry.source.catalog.info.ticver), 'DATA_REL': info.data_rel,
        'FFI_TYPE': info.product.upper(),
        'PROCVER': software, 'FILEVER': str(version), 'PHOTMET': photometry.method,
        'AP_CONT': contamination, 'CROWDSAP': None if contamination is None else 1 - contamination,
        'FLFRCSAP': details.get('throughput'), 'NEIGHSRC': details.get('neighbours'),
        'PSF_CONT': details.get('psf_cont'), 'PRFMODEL': getattr(photometry.source, 'prf_kind', 'prf'),
        'AUTOMETH': getattr(photometry, 'automatic', False),
        'CRMITEN': bool(info.crmiten), 'CRBLKSZ': info.crblksz, 'CRSPOC': bool(info.crspoc),
    }


def _table(photometry):
    info, pixels = photometry.source.pixels.info, photometry.source.pixels
    time = photometry.columns['time']
    start = float(time[0] - (pixels.time[0] - pixels.time_start[0]))
    stop = float(time[-1] + (pixels.time_stop[-1] - pixels.time[-1]))
    return {
        'RA_OBJ': photometry.target['ra_J2000'], 'DEC_OBJ': photometry.target['decl_J2000'],
        'TSTART': start, 'TSTOP': stop, 'TELAPSE': stop - start,
        'EXPOSURE': info.exposure * time.size / DAY, 'LIVETIME': (stop - start) * info.deadc,
        'DEADC': info.deadc, 'TIMEDEL': info.cadence / DAY, 'INT_TIME': info.int_time / DAY,
        'READTIME': (info.frame_time - info.int_time) / DAY, 'FRAMETIM': info.frame_time / DAY,
        'NUM_FRM': info.num_frm, 'NREADOUT': info.n_readout,
    }


def _provenance(photometry):
    """Settings that matter with their SHA-256, and the manifest of the inputs."""
    text, digest = photometry.context.settings_digest
    return {'STATUS': (photometry.status.name, 'of the photometry'),
            'REMARKS': ' '.join(photometry.errors) or None,
            'CUBE': (Path(photometry.source.pixels.path).name, 'pixels'),
            'EPHEM': (Path(photometry.settings.times.kernels).name or 'tessphot', 'path of the spacecraft'),
            'DATASRC': (photometry.datasource, 'kind of the pixels'),
            'SETTINGS': text, 'SETHASH': digest,
            'MANIFEST': photometry.source.manifest}
