"""The package file of pixel response functions: complete, small, quick to refuse damage."""

import numpy as np
import pytest

from photometry.core.errors import InputBadError, InputMissingError
from photometry.files import prf


@pytest.mark.parametrize('camera', range(1, 5))
@pytest.mark.parametrize('ccd', range(1, 5))
def test_every_ccd_of_both_epochs(camera, ccd):
    early, late = (prf.load_prf(sector, camera, ccd) for sector in (1, 4))
    for model in (early, late):
        assert model.samples.shape == prf.SHAPE and model.samples.dtype == np.float32
        assert np.allclose(model.samples.sum(axis=(1, 2)), 81, atol=0.05)
        assert sorted(set(model.row)) == [0, 512, 1024, 1535, 2047]
        assert sorted(set(model.column)) == [44, 556, 1068, 1579, 2091]
    assert not np.array_equal(early.samples, late.samples)


def test_sector_chooses_the_epoch():
    assert [prf.epoch(sector) for sector in (1, 3, 4, 99)] == [prf.EPOCHS[0]] * 2 + [prf.EPOCHS[1]] * 2


def test_file_is_small():
    assert prf.LIBRARY.stat().st_size <= 15e6


def test_quantisation_is_exact_to_a_ten_thousandth_of_the_peak(tmp_path):
    samples = np.random.default_rng(1).exponential(0.05, prf.SHAPE).astype('float32')
    row, column = np.repeat(np.arange(5), 5), np.tile(np.arange(5), 5)
    path = tmp_path / 'prf.hdf5'
    prf.write_library(path, {('start_s0001', 2, 3): prf.PRFSamples(samples, row, column)}, 'test')
    stored = prf.load_prf(1, 2, 3, path, grain=True)
    error = abs(stored.samples - samples) / samples.max(axis=(1, 2), keepdims=True)
    assert error.max() < 1e-5
    assert np.array_equal(stored.row, row) and np.array_equal(stored.column, column)
    with pytest.raises(InputMissingError, match='has no start_s0004/cam2_ccd3'):
        prf.load_prf(4, 2, 3, path)


def test_what_no_pixel_can_respond_to_is_taken_out():
    published, smooth = prf.load_prf(4, 2, 2, grain=True), prf.load_prf(4, 2, 2)
    frequency = np.fft.fftfreq(117, 1 / prf.OVERSAMPLE)
    fine = np.hypot(frequency[:, None], frequency) > 1.3
    before, after = (np.abs(np.fft.fft2(model.samples) * fine).max() for model in (published, smooth))
    assert after < 0.2 * before
    peak = published.samples.max()
    assert np.abs(smooth.samples - published.samples).std() < 1e-3 * peak
    assert smooth.samples.min() >= 0
    np.testing.assert_allclose(smooth.samples.sum(axis=(1, 2)), 81, rtol=1e-6)


def test_damage_is_named(tmp_path):
    content = prf.LIBRARY.read_bytes()
    with pytest.raises(InputMissingError, match='install tessphot again'):
        prf.load_prf(1, 1, 1, tmp_path / 'none.hdf5')
    flipped = bytearray(content)
    for place in range(3000, len(flipped), 5000):
        flipped[place] ^= 0xff
    for damaged in (b'', b'garbage' * 100, content[:len(content) // 2], bytes(flipped)):
        path = tmp_path / 'prf.hdf5'
        path.write_bytes(damaged)
        with pytest.raises(InputBadError, match='prf.hdf5 is corrupt'):
            prf.load_prf(1, 1, 1, path)
