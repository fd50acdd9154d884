"""PSF photometry gives flux and place of every cadence, wherever the catalogue has the star."""

import numpy as np
import pytest
import simulated

from photometry import STATUS
from photometry.algorithms import psf_neighbours
from photometry.core.stamp import Stamp
from photometry.files import wcs
from photometry.files.lightcurve import read_lightcurve
from photometry.methods.psf import PSFPhotometry
from photometry.stages import tessphot

FRAMES = 200
STAMP = Stamp(1000, 1050, 700, 750)
GAIN = 1.0264 * np.sqrt(720 / 900)
"""What FLUX_ERR allows for, on-board clipping, and the double does not do."""


def sector_of(row, column, tmag, own=None, **changes):
    """A sector; ``own`` (frames, 2) moves the first star besides."""
    options = {'stamp': STAMP, 'frames': FRAMES, 'jitter': 0.02, 'seed': 4} | changes
    if own is None:
        return simulated.simulate(row, column, tmag, **options)
    sector = simulated.simulate(row, column, tmag, noise=False, **options)
    rest = simulated._render(row[:1], column[:1], sector.flux[:1], sector.shift, STAMP, 0.0)
    moved = simulated._render(row[:1], column[:1], sector.flux[:1], sector.shift + own, STAMP, 0.0)
    layers = sector.source.layers
    light = layers['images'] + moved - rest
    error = np.sqrt((light + simulated.SKY) / simulated.EXPOSURE
                    + simulated.READNOISE ** 2 / (2 * simulated.EXPOSURE))
    noise = np.random.default_rng(9).normal(size=light.shape) * error
    layers['images'][:], layers['images_err'][:] = light + noise, error
    sector.source.__post_init__()
    return sector


def misplaced(sector, star, down, right):
    """The same sector with one catalogue position wrong by so many pixels."""
    stars = sector.catalog.stars.copy()
    moved = wcs.pixel_to_sky(wcs.wcs_from_text(sector.source.wcs_text), sector.row[star] + down,
                             sector.column[star] + right)
    for name, value in zip(('ra', 'decl', 'ra_J2000', 'decl_J2000'), (*moved, *moved), strict=True):
        stars[name][star] = value
    sector.catalog.stars = stars
    return sector


def measured(sector, folder, starid=1000):
    with simulated.worker(sector, folder) as context:
        context.close = lambda: None
        photometry = PSFPhotometry.from_task(simulated.task(starid), context)
        photometry.photometry()
        return photometry


def columns_of(photometry):
    """Flux, its error, places (row, column) and their errors in the good cadences."""
    good = photometry.source.pixels.good
    table = photometry.columns
    return (table['flux'][good], table['flux_err'][good], table['pos_centroid'][good, ::-1].T,
            table['pos_centroid_err'][good, ::-1].T)


def true_places(sector, star=0, own=0.0):
    good = sector.source.good
    place = np.array([[sector.row[star]], [sector.column[star]]])
    return place + (sector.shift + own)[good].T


@pytest.mark.parametrize('tmag', [8.5, 11.0, 14.0])
def test_flux_and_place_of_an_isolated_star(tmag, tmp_path):
    sector = sector_of([1024.3], [726.4], [tmag])
    photometry = measured(sector, tmp_path)
    flux, error, place, place_error = columns_of(photometry)
    assert photometry.status is STATUS.OK
    assert np.median(flux) == pytest.approx(sector.flux[0], rel=3e-3)
    assert np.std(flux) * GAIN == pytest.approx(np.median(error), rel=0.15)
    away = place - true_places(sector)
    assert np.abs(away.mean(axis=1)).max() < 1e-3 + 0.3 * np.median(place_error)
    assert np.std(away, axis=1) * GAIN == pytest.approx(np.median(place_error, axis=1), rel=0.25)


@pytest.mark.parametrize('wrong', [(1.5, 0.0), (-0.9, 1.1)])
def test_a_catalogue_position_that_is_wrong_by_pixels(wrong, tmp_path):
    sector = sector_of([1024.3, 1029.1, 1015.2], [726.4, 723.0, 735.3], [11.0, 12.0, 10.0])
    sector = misplaced(sector, 0, *wrong)
    photometry = measured(sector, tmp_path)
    flux, error, place, place_error = columns_of(photometry)
    assert np.median(flux) == pytest.approx(sector.flux[0], rel=3e-3)
    assert np.abs((place - true_places(sector)).mean(axis=1)).max() < 2e-3
    header = photometry.additional_headers
    assert (header['PSF_OFFR'][0], header['PSF_OFFC'][0]) == pytest.approx((-wrong[0], -wrong[1]), abs=5e-3)
    assert photometry.status is STATUS.WARNING and 'beside its place' in photometry.errors[0]


def test_a_star_that_moves_during_the_sector(tmp_path):
    own = np.stack([0.15 * np.linspace(-1, 1, FRAMES), np.zeros(FRAMES)], axis=1)
    sector = sector_of([1024.3, 1030.0], [726.4, 722.0], [10.5, 11.5], own)
    photometry = measured(sector, tmp_path)
    flux, error, place, place_error = columns_of(photometry)
    away = place - true_places(sector, 0, own)
    assert np.std(away[0]) < 1.5 * np.median(place_error[0])
    assert np.std(flux) * GAIN < 1.15 * np.median(error)
    assert photometry.additional_headers['PSF_TRND'][0] == pytest.approx(0.3, rel=0.1)


def test_a_blend_and_a_variable_neighbour(tmp_path):
    sector = sector_of([1024.3, 1026.0], [726.4, 727.0], [12.0, 11.0])
    light = sector.source.layers['images']
    swing = 0.1 * np.sin(np.arange(FRAMES) / 3)
    light += (simulated._render(sector.row[1:], sector.column[1:], sector.flux[1:], sector.shift, STAMP, 0.0)
              * swing).astype('f4')
    sector.source.__post_init__()
    photometry = measured(sector, tmp_path)
    flux, error, *_ = columns_of(photometry)
    assert np.std(flux) * GAIN < 1.2 * np.median(error)
    slope = np.polyfit(swing[sector.source.good], flux / sector.flux[0], 1)[0]
    assert abs(slope) < 0.01
    assert photometry.additional_headers['PSF_NBRS'][0] == 1


def test_stars_at_one_place_are_their_sum(tmp_path):
    sector = sector_of([1024.3, 1024.3], [726.4, 726.4], [11.0, 11.5])
    photometry = measured(sector, tmp_path)
    flux = columns_of(photometry)[0]
    assert np.median(flux) == pytest.approx(sector.flux.sum(), rel=3e-3)
    assert photometry.status is STATUS.WARNING and 'TIC 1001' in photometry.errors[0]


def test_lost_pixels_and_frames(tmp_path):
    sector = sector_of([1024.3], [726.4], [11.0])
    images = sector.source.layers['images']
    images[24, 26, 10:20] = np.nan
    images[22:27, 24:29, 30] = np.nan
    sector.source.mean = np.nanmean(images[..., sector.source.good], axis=-1, dtype='f8')
    photometry = measured(sector, tmp_path)
    table = photometry.columns
    assert np.isnan(table['flux'][30]) and np.isfinite(np.delete(table['flux'], 30)).all()
    lost = slice(10, 20)
    assert np.abs(table['flux'][lost] - sector.flux[0]).max() < 5 * table['flux_err'][lost].max()
    assert (table['flux_err'][lost] > 1.1 * np.nanmedian(table['flux_err'])).all()


def test_the_file_has_places_with_errors(tmp_path):
    sector = sector_of([1024.3], [726.4], [10.0])
    with simulated.worker(sector, tmp_path) as context:
        result = tessphot.process(simulated.task(1000, method='psf'), context)
    found = read_lightcurve(tmp_path / result.lightcurve)
    good = sector.source.good
    assert found.primary['PHOTMET'] == 'psf' and found.primary['PSF_PRIR'] > 0
    assert found.columns['MOM_CENTR1'][good] == pytest.approx(true_places(sector)[1] + 1, abs=3e-3)
    assert np.median(found.columns['MOM_CENTR1_ERR'][good]) < 1e-3
    assert np.isfinite(found.columns['SAP_FLUX'][good]).all()


def test_the_light_of_the_others_in_every_frame(tmp_path):
    row, column = [1024.3, 1026.9, 1019.0, 1031.0, 1044.0], [726.4, 725.0, 729.3, 717.0, 705.0]
    sector = sector_of(row, column, [12.0, 10.0, 11.0, 9.0, 8.0], noise=False, jitter=0.03)
    photometry = measured(sector, tmp_path)
    tile, stamp = photometry.tile, photometry._placed.target.stamp
    shift, good = photometry._shift(), photometry.source.pixels.good
    light = psf_neighbours.light(tile.mean, tile.series, photometry._place, stamp,
                                 tile.pixels.sumimage(stamp), shift, good)
    truth = simulated._render(sector.row[1:], sector.column[1:], sector.flux[1:], sector.shift, STAMP, 0.0)
    truth = truth[stamp.slices(STAMP[::2])]
    assert np.abs(light - truth)[..., good].max() < 2e-3 * truth.max()
