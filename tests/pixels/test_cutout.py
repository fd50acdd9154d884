"""A cutout belongs to its stamp; sources keep their promise."""

import numpy as np
import pytest
import simulated

from photometry.core.stamp import Stamp
from photometry.pixels.base import LAYERS, PixelSource
from photometry.pixels.cutout import Cutout
from photometry.pixels.movement import MovementKernel


@pytest.fixture(scope='module')
def sector():
    return simulated.simulate([1010.0], [710.0], [10.0], stamp=Stamp(1000, 1024, 700, 724), frames=20)


def test_the_double_is_a_source(sector):
    assert isinstance(sector.source, PixelSource)


def test_every_product_has_the_shape_of_the_stamp(sector):
    stamp = Stamp(1003, 1011, 705, 716)
    cutout = Cutout(sector.source, stamp)
    for name in ('images_cube', 'images_err_cube', 'backgrounds_cube', 'pixelflags_cube'):
        assert getattr(cutout, name).shape == (*stamp.shape, 20)
    assert cutout.sumimage.shape == cutout.variance.shape == cutout.collected.shape == stamp.shape
    for layer in LAYERS:
        assert sector.source.read(layer, stamp).shape == (*stamp.shape, 20)


def test_products_are_read_once(sector):
    cutout = Cutout(sector.source, Stamp(1003, 1011, 705, 716))
    assert cutout.images_cube is cutout.images_cube


def test_released_cubes_are_read_again(sector):
    cutout = Cutout(sector.source, Stamp(1003, 1011, 705, 716))
    mask = np.ones(cutout.stamp.shape, bool)
    before, light, image = cutout.images_cube, cutout.light(mask), cutout.sumimage
    cutout.release()
    assert not {'images_cube', '_light'} & set(cutout.__dict__) and cutout.sumimage is image
    assert cutout.images_cube is not before and np.array_equal(cutout.images_cube, before)
    assert np.array_equal(cutout.light(mask), light)


def test_variance_is_the_mean_square_of_good_errors(sector):
    cutout = Cutout(sector.source, Stamp(1003, 1011, 705, 716))
    err = cutout.images_err_cube[..., sector.source.good].astype('f8')
    assert np.allclose(cutout.variance, (err ** 2).mean(axis=-1))


def test_pixels_without_errors_have_infinite_variance(sector):
    cutout = Cutout(sector.source, Stamp(1003, 1011, 705, 716))
    cutout.images_err_cube[2, 3] = np.nan
    cutout.images_err_cube[4, 5, :7] = np.nan
    assert np.isinf(cutout.variance[2, 3]) and np.isfinite(cutout.variance[4, 5])
    assert np.isfinite(cutout.variance).sum() == cutout.variance.size - 1


def kernel(shift):
    made = np.zeros((len(shift), 6))
    made[:, :2] = shift
    return MovementKernel(made, (50.0, 60.0), np.arange(len(shift), dtype='f8'))


def test_positions_follow_the_motion():
    found = kernel([[0, 0], [0.1, -0.2], [0.3, 0.4]])
    rows, columns = found.positions([10.0, 20.0], [30.0, 40.0])
    assert np.allclose(rows, [[10, 10.1, 10.3], [20, 20.1, 20.3]])
    assert np.allclose(columns[0], [30, 29.8, 30.4])
    row, column = found.interpolate(1.5, [10.0], [30.0])
    assert np.allclose((row[0], column[0]), (10.2, 30.1))


def test_frames_without_motion_are_bridged():
    found = kernel([[0, 0], [np.nan, np.nan], [0.4, 0.2]])
    assert np.allclose(found.filled[1, :2], (0.2, 0.1))
    assert not kernel([[np.nan, np.nan]] * 3).filled.any()
