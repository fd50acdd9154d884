"""Bins hold the mean of what is known, and every flag, also at the ends."""

import numpy as np
import pytest

from photometry.algorithms import binning


@pytest.mark.parametrize('step', [1, 2, 4, 16])
def test_bins(step):
    rng = np.random.default_rng(1)
    pixels, flags = rng.normal(size=(13, 10, 5)), rng.integers(0, 32, (13, 10, 5)).astype('u1')
    pixels[0:6, 0:6, 2] = pixels[12, :, :] = np.nan
    found, bits = binning.mean(pixels, step), binning.any_flag(flags, step)
    assert found.dtype == np.float32 and bits.dtype == np.uint8
    for row in range(0, 13, step):
        for column in range(0, 10, step):
            part = pixels[row:row + step, column:column + step].reshape(-1, 5)
            place = row // step, column // step
            expected = [values[np.isfinite(values)].mean() if np.isfinite(values).any() else np.nan
                        for values in part.T]
            assert np.allclose(found[place], expected, atol=1e-6, equal_nan=True)
            assert np.array_equal(bits[place], np.bitwise_or.reduce(
                flags[row:row + step, column:column + step].reshape(-1, 5)))
