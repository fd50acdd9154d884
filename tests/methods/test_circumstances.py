"""Light curves tell of straps, of the charge of neighbours and of asteroids in their masks."""

import dataclasses

import numpy as np
import pytest
import simulated
from astropy.io import fits
from astropy.table import Table

from photometry import settings
from photometry.core.quality import PixelFlag, StarFlag
from photometry.core.stamp import Stamp
from photometry.files.lightcurve import read_lightcurve
from photometry.files.wcs import pixel_to_sky, wcs_from_text
from photometry.stages import tessphot

STAMP = Stamp(1000, 1080, 700, 770)
QUIET, NEXT_TO_A_TRAIL, BLEEDING = 1001, 1002, 1000


@pytest.fixture
def sector():
    """A star that bleeds along column 734, one beside its trail, one far away."""
    return simulated.simulate([1038.3, 1062.1, 1045.0], [734.4, 752.3, 735.7], [3.8, 9.0, 9.5], stamp=STAMP,
                              frames=100)


def measured(sector, folder, starid, table=''):
    """The light curve as it stands in its file, and the number that the list keeps."""
    chosen = settings.load()
    chosen = dataclasses.replace(chosen, flags=dataclasses.replace(chosen.flags, moving_objects=str(table)))
    with simulated.worker(sector, folder, settings=chosen) as context:
        context.close = lambda: None
        done = tessphot.process(simulated.task(starid, method='aperture'), context)
    return read_lightcurve(folder / done.lightcurve), done.details['star_flags']


def mask_of(found):
    return (found.aperture & 2) > 0


def first_of(found):
    """Zero-based row and column of the first pixel of the stamp."""
    stamp = fits.getheader(found.path, 'SUMIMAGE')
    return round(stamp['CRVAL2P']) - 1, round(stamp['CRVAL1P']) - 1


def test_a_star_without_any_of_it(sector, tmp_path):
    found, flags = measured(sector, tmp_path, QUIET)
    assert flags == found.primary['STARFLAG'] == 0
    assert (found.primary['N_STRAP'], found.primary['N_BLEED'], found.primary['N_MOVING']) == (0, 0, None)
    assert not (found.columns['PIXEL_QUALITY'] & PixelFlag.MOVING_OBJECT).any()


def test_pixels_above_straps(sector, tmp_path):
    sector.source.info = dataclasses.replace(sector.source.info, background_straps=(752, 753, 769, 2000))
    found, flags = measured(sector, tmp_path, QUIET)
    columns = first_of(found)[1] + np.nonzero(mask_of(found))[1]
    assert flags == found.primary['STARFLAG'] == StarFlag.STRAP
    assert found.primary['N_STRAP'] == np.isin(columns, (752, 753)).sum() > 0


def test_charge_of_a_neighbour_but_not_its_own(sector, tmp_path):
    full = (sector.source.layers['pixel_flags'] & PixelFlag.SATURATED).any(axis=-1)
    assert full.any()
    own = measured(sector, tmp_path, BLEEDING)[0]
    assert own.primary['N_BLEED'] == 0 and (own.columns['PIXEL_QUALITY'] & PixelFlag.SATURATED).any()
    found, flags = measured(sector, tmp_path, NEXT_TO_A_TRAIL)
    row, column = first_of(found)
    height, width = found.sumimage.shape
    full = full[row - STAMP.row_min:, column - STAMP.col_min:][:height, :width]
    assert found.primary['N_BLEED'] == (full & mask_of(found)).sum()
    assert flags == (StarFlag.BLEED if found.primary['N_BLEED'] else 0)


def test_an_asteroid_that_passes(sector, tmp_path):
    time = sector.source.time - sector.source.timecorr
    days = np.linspace(time[0] - 0.1, time[-1] + 0.1, 9)
    row, along = (1042.1 + 19.2 * (moments - time[0]) for moments in (time, days))
    ra, dec = pixel_to_sky(wcs_from_text(sector.source.wcs_text), along, np.full(days.size, 752.3))
    table = tmp_path / 'asteroids.csv'
    Table({'name': ['433 Eros'] * days.size, 'btjd': days, 'ra': ra, 'dec': dec}).write(table)
    found, flags = measured(sector, tmp_path, QUIET, table)
    hit = (found.columns['PIXEL_QUALITY'] & PixelFlag.MOVING_OBJECT) != 0
    first = first_of(found)
    rows, columns = np.nonzero(mask_of(found))
    away = np.hypot(row[:, None] - first[0] - rows, 752.3 - first[1] - columns).min(axis=1)
    doubtful = np.abs(away - 1.5) < 0.5
    assert hit.any() and np.array_equal(hit[~doubtful], (away < 1.5)[~doubtful])
    assert flags == found.primary['STARFLAG'] == StarFlag.MOVING_OBJECT
    assert found.primary['N_MOVING'] == hit.sum()
    assert measured(sector, tmp_path, BLEEDING, table)[0].primary['N_MOVING'] == 0
