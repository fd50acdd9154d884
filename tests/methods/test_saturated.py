"""Stars that saturate, by every method: errors that are those of the scatter, trails that grow and shrink."""

import numpy as np
import pytest
import simulated

from photometry.algorithms import masks, metrics
from photometry.core.stamp import Stamp
from photometry.methods.aperture import AperturePhotometry
from photometry.methods.linpsf import LinearPSF
from photometry.methods.psf import PSFPhotometry

STAMP = Stamp(1000, 1080, 700, 770)
FRAMES = 240
CLIPPED = 0.918
"""What the double draws over what FLUX_ERR allows for: it does not clip cosmic rays."""


def sector_of(**choices):
    """A star that bleeds, beside some that show the motion."""
    return simulated.simulate([1038.3, 1062.1, 1015.2], [734.4, 752.3, 711.8], [4.5, 9.0, 9.5], stamp=STAMP,
                              frames=FRAMES, **choices)


def measured(method, sector, folder, spoil=None):
    with simulated.worker(sector, folder) as context:
        context.close = lambda: None
        photometry = method.from_task(simulated.task(1000), context)
        if spoil:
            spoil(photometry)
        photometry.photometry()
        return photometry


def flux_of(photometry):
    return np.asarray(photometry.columns['flux'])[photometry.source.pixels.good]


@pytest.mark.parametrize('jitter', [0.02, 0.1])
@pytest.mark.parametrize('method', [AperturePhotometry, LinearPSF, PSFPhotometry])
def test_errors_are_those_of_the_scatter(method, jitter, tmp_path):
    sector = sector_of(jitter=jitter)
    photometry = measured(method, sector, tmp_path)
    error, scatter = CLIPPED * np.median(photometry.columns['flux_err']), metrics.mad(flux_of(photometry))
    assert error / scatter == pytest.approx(1, abs=0.2)
    assert scatter < 1.3 * np.sqrt(sector.flux[0] / simulated.EXPOSURE), 'photons of all its light'
    assert not any('can be used' in remark for remark in photometry.errors)


@pytest.mark.parametrize('method', [LinearPSF, PSFPhotometry])
def test_a_drowned_companion_takes_no_part(method, tmp_path):
    """A star of Tmag 14 under one of 4.5: fitted apart it would take up what its PRF leaves."""
    from scipy.ndimage import gaussian_filter
    sector = simulated.simulate([1038.3, 1062.1, 1015.2, 1039.1], [734.4, 752.3, 711.8, 734.9],
                                [4.5, 9.0, 9.5, 14.0], stamp=STAMP, frames=FRAMES, jitter=0.04)
    images = sector.source.layers['images']
    full = masks.saturated(images.mean(axis=-1))
    images[~full] = gaussian_filter(images, 0.2, axes=(0, 1))[~full]
    sector.source.__post_init__()
    photometry = measured(method, sector, tmp_path)
    assert photometry.details['merged_with'] == [1003]
    assert not any('told apart' in remark for remark in photometry.errors), 'it is too faint to matter'
    scatter = metrics.mad(flux_of(photometry))
    assert CLIPPED * np.median(photometry.columns['flux_err']) / scatter == pytest.approx(1, abs=0.25)


def test_a_wrong_place_does_no_harm(tmp_path):
    def astray(photometry):
        photometry.tile.mean.row[0] += 0.1
    photometry = measured(AperturePhotometry, sector_of(jitter=0.02), tmp_path, astray)
    error = CLIPPED * np.median(photometry.columns['flux_err'])
    assert error / metrics.mad(flux_of(photometry)) == pytest.approx(1, abs=0.2)
    assert photometry.additional_headers['MOT_KEPT'][0] > 0.9


@pytest.mark.parametrize('method', [LinearPSF, PSFPhotometry])
def test_a_bright_star_does_not_follow_the_motion(method, tmp_path):
    sector = simulated.simulate([1038.3, 1062.1, 1015.2], [734.4, 752.3, 711.8], [7.2, 9.0, 9.5], stamp=STAMP,
                                frames=FRAMES, jitter=0.05)
    follows = 1 + 1e-3 * sector.shift[:, 0]
    part = (slice(26, 51), slice(22, 47))
    sector.source.layers['images'][part] *= follows.astype('f4')
    photometry = measured(method, sector, tmp_path)
    assert photometry.tile.mean.seen[0] > 0.99
    error = CLIPPED * np.median(photometry.columns['flux_err'])
    assert metrics.mad(flux_of(photometry)) < 1.15 * np.sqrt(sector.flux[0] / simulated.EXPOSURE)
    assert error / metrics.mad(flux_of(photometry)) == pytest.approx(1, abs=0.15)


def test_a_trail_beyond_the_margin_of_the_cell(tmp_path):
    sector = simulated.simulate([1090.3, 1062.1, 1115.2], [734.4, 752.3, 711.8], [1.9, 9.0, 9.5], jitter=0.02,
                                stamp=Stamp(1000, 1192, 700, 770), frames=80)
    photometry = measured(LinearPSF, sector, tmp_path)
    tile = photometry.tile
    assert tile.mean.trails_on(tile.region)[0].row.size > 1.2 * tile.cell.height
    assert tile.mean.held[0] > 0.95
    assert metrics.mad(flux_of(photometry)) < 1.4 * np.sqrt(sector.flux[0] / simulated.EXPOSURE)


def test_errors_of_the_measured_motion_do_no_harm(tmp_path):
    sector = sector_of(jitter=0.005)
    rng = np.random.default_rng(5)
    sector.source.movement_kernel[:, :2] += 2e-3 * rng.standard_normal((FRAMES, 2))
    photometry = measured(LinearPSF, sector, tmp_path)
    steps = metrics.mad(np.diff(flux_of(photometry))) / np.sqrt(2)
    assert CLIPPED * np.median(photometry.columns['flux_err']) / steps == pytest.approx(1, abs=0.25)
    assert steps < 1.3 * np.sqrt(sector.flux[0] / simulated.EXPOSURE)


def test_errors_of_the_measured_motion_are_counted_where_the_trail_is_cut(tmp_path):
    sector = simulated.simulate([1038.3, 1062.1, 1015.2], [734.4, 752.3, 711.8], [1.7, 9.0, 9.5], stamp=STAMP,
                                frames=FRAMES, jitter=0.005)
    rng = np.random.default_rng(5)
    sector.source.movement_kernel[:, :2] += 2e-3 * rng.standard_normal((FRAMES, 2))
    photometry = measured(LinearPSF, sector, tmp_path)
    assert photometry.tile.mean.held[0] < 0.5
    steps = metrics.mad(np.diff(flux_of(photometry))) / np.sqrt(2)
    error = np.median(photometry.columns['flux_err'])
    assert error / steps == pytest.approx(1, abs=0.25)
    seen = photometry.tile.series_of(photometry.catalog_index)[1]
    assert error > 1.5 * np.median(seen), 'more than photons'


def test_the_trail_holds_all_that_is_ever_full(tmp_path):
    photometry = measured(AperturePhotometry, sector_of(jitter=0.15), tmp_path)
    good = photometry.source.pixels.good
    full = masks.ever_full(photometry.sumimage, photometry.images_cube, good)
    assert full.sum() > masks.saturated(photometry.sumimage).sum()
    assert photometry.chosen.trail[full].all()
