"""Target pixel files for tests: the real one, and simulated ones that can be spoilt."""

import dataclasses
from pathlib import Path

import numpy as np

from photometry import settings
from photometry.catalogs.table import TableCatalog
from photometry.core.quality import ApertureFlag
from photometry.core.stamp import Stamp
from photometry.files import catalog, simulated_ffi, simulated_tpf, tpf, wcs
from photometry.simulation.pointing import Sky
from photometry.stages import make_catalog, simulate

INPUT = Path(__file__).parent / 'input' / 'tpf'
REAL = INPUT / 'hlsp_tess-data-alerts_tess_phot_00025155310-s01_tess_v1_tp.fits.gz'
OFFICIAL = INPUT / 'tic25155310_s0001_sap.ecsv'
"""Rows of the official light curve."""

STARID = 25155310
PLACE = 63.37389 + 0.0009, -69.226789 + 0.00028
"""Direction of that star in 2018, deg."""

FACTS = simulated_ffi.FrameFacts(
    5, 2, 2, 120, 158000, 1437.9, 1437.9 + 120 / 86400, 1e-3, 0, (10., 7., 7.5, 9.), (5.3, 5.2, 5.1, 5.4),
    True, 10, 60, 48, 60)
STAMP = Stamp(1000, 1011, 900, 911)


def content(times=30, stamp=STAMP, starid=77, **changes):
    """A flat image with one bright pixel, as `simulated_tpf.TargetPixels`."""
    rng = np.random.default_rng(starid)
    aperture = np.full(stamp.shape, int(ApertureFlag.COLLECTED | ApertureFlag.OUTPUT_B), 'i4')
    aperture[4:7, 4:7] |= ApertureFlag.PHOTOMETRY | ApertureFlag.CENTROID
    aperture[:2] |= ApertureFlag.BACKGROUND
    flux = rng.normal(0, 1, (times, *stamp.shape)).astype('f4')
    flux[:, 5, 5] += 3000
    star = np.zeros(1, catalog.STAR_DTYPE)[0]
    star['starid'], star['tmag'] = starid, 11.5
    star['ra_J2000'], star['decl_J2000'] = Sky(5, 2, 2).radec(1005., 905.)
    made = simulated_tpf.TargetPixels(
        star, stamp, aperture, Sky(5, 2, 2).cutout_cards(stamp), 158000 + np.arange(times),
        1437.9 + np.arange(times) / 720, np.full(times, 1e-3), np.zeros(times, 'i4'),
        rng.normal(0, 0.01, (times, 2)), flux, np.full_like(flux, 1.2), np.full_like(flux, 100.0), 0.1)
    return dataclasses.replace(made, **changes)


def write(folder, facts=FACTS, **changes):
    """A file of that content; returns its path."""
    return simulated_tpf.write_target(folder, (facts, facts), content(**changes))


def real_folder(folder, limit=11.0):
    """INPUT with the real file and a catalogue of its star alone."""
    (folder / REAL.name).symlink_to(REAL)
    header = tpf.read_tpf_header(REAL)
    star = np.zeros(1, catalog.STAR_DTYPE)
    star['starid'], star['tmag'], star['teff'] = STARID, 10.555, 5800
    star['ra'], star['decl'] = star['ra_J2000'], star['decl_J2000'] = PLACE
    outline = wcs.footprint(wcs.wcs_from_text(header.wcs_text), header.stamp)
    info = catalog.CatalogInfo(*header.ccd_key, '8', 2458339.0, 2018.57, 0.2, 90.0, -66.0,
                               catalog.footprint_text((outline,)))
    catalog.write_catalog(folder / 'catalog_sector001_camera4_ccd1.sqlite', info, star)
    return folder


def simulated_folder(folder, plan, number):
    """INPUT with simulated target pixel files and their catalogue."""
    simulate.simulate(folder, plan, tpf=number)
    make_catalog.make_catalog(folder, plan.sector, TableCatalog(folder / 'stars.ecsv'),
                              settings.load().catalog)
    return folder
