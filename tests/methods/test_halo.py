"""Halo photometry of stars that saturate: level, changes, errors, edges, bad input."""

import dataclasses

import numpy as np
import pytest
import simulated

from photometry import STATUS
from photometry.algorithms import masks, metrics
from photometry.core.errors import NoFluxError
from photometry.core.stamp import Stamp
from photometry.files.lightcurve import read_lightcurve
from photometry.methods.halo import HaloPhotometry
from photometry.stages import tessphot

STAMP = Stamp(1000, 1080, 700, 770)
FRAMES = 240


def star(tmag, *, row=1038.3, column=734.4, stamp=STAMP, frames=FRAMES, **choices):
    return simulated.simulate([row], [column], [tmag], stamp=stamp, frames=frames, **choices)


def measured(sector, folder, starid=1000):
    with simulated.worker(sector, folder) as context:
        context.close = lambda: None
        photometry = HaloPhotometry.from_task(simulated.task(starid), context)
        photometry.photometry()
        return photometry


def flux_of(photometry):
    return np.asarray(photometry.lightcurve['flux'])[photometry.source.pixels.good]


def varied(sector, wave):
    """The sector with the light of its star changed in all pixels that are not full."""
    images = sector.source.layers['images']
    full = masks.bleeding(masks.saturated(images.max(axis=-1)))
    images[~full] *= wave.astype('f4')
    sector.source.__post_init__()
    return sector


@pytest.fixture(scope='module')
def bright(tmp_path_factory):
    return measured(star(4.0), tmp_path_factory.mktemp('bright'))


def test_the_level_is_that_of_the_star(bright):
    assert np.median(flux_of(bright)) / 10 ** (0.4 * (20.44 - 4)) == pytest.approx(1, abs=0.02)
    assert bright.details['halo_level_error'] < 0.05 * np.median(flux_of(bright))
    assert bright.status is STATUS.OK and bright.details['throughput'] < 0.5


def test_full_pixels_are_left_out(bright):
    full = masks.saturated(bright.sumimage)
    assert full.sum() > 10 and not bright.final_phot_mask[full].any()
    assert (bright.weightmap[full] == 0).all() and bright.weightmap.max() > 0


def test_errors_are_those_of_the_scatter(bright):
    scatter = metrics.mad(flux_of(bright))
    # The double draws the noise that images_err states; FLUX_ERR allows for on-board clipping.
    error = np.median(bright.lightcurve['flux_err']) / 0.918
    assert scatter == pytest.approx(error, rel=0.15)


def test_the_file_holds_weights_and_words(bright, tmp_path):
    from astropy.io import fits
    path = bright.save_lightcurve(tmp_path)
    found = read_lightcurve(path)
    assert found.primary['PHOTMET'] == 'halo' and found.primary['HALO_EST'] in ('prf', 'template', 'tv')
    assert found.primary['HALO_KEP'] > 0.98 and found.primary['HALO_LER'] > 0
    with fits.open(path) as hdus:
        assert np.allclose(hdus['WEIGHTMAP'].data, bright.weightmap, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize('shape', ['slow', 'deep'])
def test_a_variable_star_keeps_its_amplitude(shape, tmp_path):
    time = np.arange(FRAMES)
    wave = 1 + 0.01 * np.sin(time / 30) if shape == 'slow' else 1 - 0.1 * (time % 60 < 4)
    photometry = measured(varied(star(4.5, jitter=0.005), wave), tmp_path)
    kept = np.polyfit(wave[photometry.source.pixels.good],
                      flux_of(photometry) / np.median(flux_of(photometry)), 1)[0]
    assert kept == pytest.approx(1, abs=0.02)


def test_a_faint_star_is_measured_too(tmp_path):
    photometry = measured(star(11.0), tmp_path)
    error = np.median(photometry.lightcurve['flux_err'])
    assert np.mean(flux_of(photometry)) / 10 ** (0.4 * (20.44 - 11)) == pytest.approx(1, abs=0.005)
    assert metrics.mad(flux_of(photometry)) < 1.1 * error


def test_charge_that_leaves_the_pixels_does_no_harm(tmp_path):
    sector = star(3.0, row=1012.0, stamp=Stamp(1000, 1040, 700, 770))
    assert masks.saturated(sector.source.mean)[0].any(), 'charge should leave the pixels'
    photometry = measured(sector, tmp_path)
    assert photometry.status in (STATUS.OK, STATUS.WARNING)
    assert np.median(flux_of(photometry)) / sector.flux[0] == pytest.approx(1, abs=0.03)


def test_half_a_star_is_enough(tmp_path):
    sector = star(4.0, column=700.2)
    photometry = measured(sector, tmp_path)
    assert np.median(flux_of(photometry)) / sector.flux[0] == pytest.approx(1, abs=0.05)


def test_neighbours_are_not_part_of_the_level(tmp_path):
    sector = simulated.simulate([1038.3, 1046.0, 1030.5], [734.4, 739.5, 722.0], [4.5, 7.5, 8.0], stamp=STAMP,
                                frames=60, jitter=0.005)
    photometry = measured(sector, tmp_path)
    assert np.median(flux_of(photometry)) / sector.flux[0] == pytest.approx(1, abs=0.01)
    assert 0 < photometry.details['contamination'] < 0.2


def test_missing_pixels_are_made_up_for(tmp_path):
    sector = star(4.5, jitter=0.005)
    whole = measured(sector, tmp_path)
    images, errors = (sector.source.layers[name] for name in ('images', 'images_err'))
    hit = np.random.default_rng(1).random(images.shape) < 0.01
    images[hit] = np.nan
    errors[hit] = np.nan
    images[..., 20] = np.nan
    part = measured(sector, tmp_path)
    flux, error = (np.asarray(part.lightcurve[name]) for name in ('flux', 'flux_err'))
    assert np.isnan(flux[20]) and np.isfinite(np.delete(flux, 20)).all() and np.isfinite(error[0])
    good = part.source.pixels.good & np.isfinite(flux)
    assert metrics.mad(flux[good]) < 1.2 * metrics.mad(flux_of(whole))


def test_without_motion_the_star_is_followed_by_itself(tmp_path):
    sector = star(4.5, jitter=0.02)
    still = dataclasses.replace(sector.source, movement_kernel=np.full((FRAMES, 6), np.nan),
                                warpmode='unchanged')
    photometry = measured(dataclasses.replace(sector, source=still), tmp_path)
    assert photometry.status is STATUS.WARNING and 'motion' in photometry.errors[0]
    assert metrics.mad(flux_of(photometry)) < 1.3 * np.median(photometry.lightcurve['flux_err'])


@pytest.mark.parametrize('spoil', ['pixels', 'light', 'cadences'])
def test_what_cannot_be_measured_fails_by_name(spoil, tmp_path):
    sector = star(4.5, frames=40)
    images = sector.source.layers['images']
    if spoil == 'pixels':
        images[30:50, 20:50] = np.nan
        images[:] = np.where(np.random.default_rng(1).random(images.shape) < 0.5, np.nan, images)
    elif spoil == 'light':
        images[:] = 1.1e5
    else:
        sector.source.good[:] = False
    if spoil != 'cadences':
        sector.source.__post_init__()
    with simulated.worker(sector, tmp_path) as context:
        result = tessphot.process(simulated.task(1000, method='halo'), context)
    assert result.status is STATUS.ERROR and result.lightcurve is None
    assert result.reason in ('no_flux', 'no_good_cadences', 'flux_on_edge')


def test_a_star_without_light_is_no_halo(tmp_path):
    sector = star(4.5, frames=40)
    sector.source.layers['images'][:] = np.nan
    with simulated.worker(sector, tmp_path) as context, pytest.raises(NoFluxError):
        HaloPhotometry.from_task(simulated.task(1000), context).photometry()
