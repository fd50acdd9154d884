"""Target pixel files as a source of pixels: the mission's own sums, times, motion, flags."""

import numpy as np
import pytest
import target_pixels
from astropy.table import Table

from photometry.algorithms import apertures
from photometry.core.errors import OffSiliconError
from photometry.core.quality import ApertureFlag, PixelFlag
from photometry.pixels.base import LAYERS
from photometry.pixels.cutout import Cutout
from photometry.pixels.tpf import TargetPixelSource


@pytest.fixture(scope='module')
def real():
    return TargetPixelSource(target_pixels.REAL)


def opened(folder, **changes):
    return TargetPixelSource(target_pixels.write(folder, **changes))


def test_the_official_aperture_gives_the_official_light_curve(real):
    official = Table.read(target_pixels.OFFICIAL)
    cutout = Cutout(real, real.limits)
    mask = (real.aperture & ApertureFlag.PHOTOMETRY) > 0
    for layer, column in ((cutout.images_cube, 'SAP_FLUX'), (cutout.backgrounds_cube, 'SAP_BKG'),
                          (cutout.backgrounds_err_cube, 'SAP_BKG_ERR')):
        np.testing.assert_allclose(layer[mask].sum(axis=0, dtype='f8'), official[column], rtol=1e-6)
    # the errors of pixels are independent, but for the background that they have in common
    error = apertures.errors(cutout.images_err_cube, mask, mask)[0]
    common = apertures.common_error(cutout.backgrounds_err_cube, mask)
    np.testing.assert_allclose(np.hypot(error, common), official['SAP_FLUX_ERR'], rtol=1e-6)
    np.testing.assert_array_equal(real.cadenceno, official['CADENCENO'])
    np.testing.assert_array_equal(real.quality, official['QUALITY'])


def test_times_of_early_releases_are_mended_without_any_stagger(real):
    official = Table.read(target_pixels.OFFICIAL)
    np.testing.assert_allclose(86400 * (real.time - official['TIME']), -1.979, atol=1e-4)
    np.testing.assert_allclose(86400 * (real.time_stop - real.time_start), 120, atol=1e-4)


def test_later_times_stay(tmp_path):
    source = opened(tmp_path)
    np.testing.assert_array_equal(source.time, target_pixels.content().time)


def test_the_motion_is_pos_corr_where_it_is_known(real, tmp_path):
    assert real.warpmode == 'translation' and np.isnan(real.movement_kernel[0]).all()
    np.testing.assert_allclose(real.movement_kernel[1], [0.14529698, -0.34389538, 0, 0, 0, 0])
    for number, nothing in enumerate((np.zeros((30, 2)), np.full((30, 2), np.nan))):
        source = opened(tmp_path, starid=80 + number, pos_corr=nothing)
        assert source.warpmode == 'unchanged' and np.isnan(source.movement_kernel).all()


def test_bits_of_the_mission_become_flags(real, tmp_path):
    flags = real.read('pixel_flags', real.limits)
    used = (flags & PixelFlag.NOT_USED_FOR_BACKGROUND) == 0
    np.testing.assert_array_equal(used.all(axis=-1), (real.aperture & ApertureFlag.BACKGROUND) > 0)
    content = target_pixels.content()
    content.aperture[0, 0] = 0
    content.flux[:, 5, 5] = 9.5e4
    source = opened(tmp_path, aperture=content.aperture, flux=content.flux)
    flags = source.read('pixel_flags', source.limits)
    assert (flags[0, 0] & PixelFlag.NOT_FINITE).all() and not (flags[1:] & PixelFlag.NOT_FINITE).any()
    assert (flags[4:7, 5] & PixelFlag.SATURATED).all() and not (flags[5, 6] & PixelFlag.SATURATED).any()
    assert not Cutout(source, source.limits).collected[0, 0]


def test_cadences_without_light_are_not_good(tmp_path):
    flux = target_pixels.content().flux.copy()
    flux[3], flux[7] = 0, np.nan
    source = opened(tmp_path, flux=flux)
    assert np.flatnonzero(source.quality == 128).tolist() == np.flatnonzero(~source.good).tolist() == [3, 7]
    expected = flux[source.good].mean(axis=0)
    np.testing.assert_allclose(source.sumimage(source.limits), expected, rtol=1e-4, atol=1e-3)


def test_a_pixel_with_gaps_has_the_mean_of_its_numbers(tmp_path):
    flux = target_pixels.content().flux.copy()
    flux[::2, 4, 4], flux[:, 9, 9] = np.nan, np.nan
    image = opened(tmp_path, flux=flux).sumimage(target_pixels.STAMP)
    assert image[4, 4] == pytest.approx(flux[1::2, 4, 4].mean(), abs=1e-4) and np.isnan(image[9, 9])


def test_what_is_read_cannot_be_spoilt(real):
    images = real.read('images', real.limits)
    with pytest.raises(ValueError, match='read-only'):
        images[0] = 0
    with pytest.raises(OffSiliconError, match='beyond the pixels'):
        real.read('images', real.limits.grown(up=1))
    assert all(real.read(layer, real.limits).shape == (11, 11, 5) for layer in (*LAYERS, 'backgrounds_err'))
