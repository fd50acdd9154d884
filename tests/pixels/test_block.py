"""A block gives the same pixels as its source, and reads them as seldom as it should."""

import numpy as np
import pytest
import simulated

from photometry.core.errors import OffSiliconError
from photometry.core.stamp import Stamp
from photometry.pixels import block as block_module
from photometry.pixels.base import LAYERS, PixelSource
from photometry.pixels.block import PixelBlock

REGION = Stamp(1002, 1020, 703, 722)
INSIDE, ACROSS = Stamp(1004, 1010, 705, 712), Stamp(1000, 1010, 705, 712)


@pytest.fixture(scope='module')
def source():
    return simulated.simulate([1010.0], [710.0], [10.0], stamp=Stamp(1000, 1024, 700, 724), frames=12).source


@pytest.fixture
def block(source, monkeypatch):
    asked = []
    read = source.read

    def counted(layer, stamp):
        asked.append((layer, stamp))
        if stamp.clipped(source.limits) != stamp:
            raise OffSiliconError('outside')
        return read(layer, stamp)

    monkeypatch.setattr(source, 'read', counted)
    made = PixelBlock(source, REGION)
    made.asked = asked
    return made


def test_a_block_is_a_source(block, source):
    assert isinstance(block, PixelSource)
    assert block.limits == source.limits and block.good is source.good


@pytest.mark.parametrize('layer', LAYERS)
@pytest.mark.parametrize('stamp', [INSIDE, ACROSS, REGION])
def test_pixels_are_those_of_the_source(layer, stamp, block, source):
    expected = source.layers[layer][stamp.slices(source.limits[::2])]
    assert np.array_equal(block.read(layer, stamp), expected)
    block.load(layer)
    assert np.array_equal(block.read(layer, stamp), expected)
    assert np.array_equal(block.sumimage(stamp), source.sumimage(stamp))


def test_a_layer_of_the_region_is_read_once(block):
    block.read('images', REGION)
    found = block.read('images', INSIDE)
    assert block.asked == [('images', REGION)] and block.held == {'images'}
    assert np.shares_memory(found, block.load('images')) and not found.flags.writeable


def test_many_stamps_make_the_region_be_read(block):
    for _ in range(100):
        block.read('images_err', INSIDE)
    stamps = [stamp for _, stamp in block.asked]
    assert stamps.count(REGION) == 1 and stamps[-1] == REGION
    spent = (len(stamps) - 1) * INSIDE.height * INSIDE.width
    assert spent <= block_module.PRICE * REGION.height * REGION.width < spent + INSIDE.height * INSIDE.width


def test_large_regions_are_never_read_for_stamps(block, monkeypatch):
    monkeypatch.setattr(block_module, 'MOST_BYTES', 1000)
    for _ in range(100):
        block.read('images', INSIDE)
    assert REGION not in [stamp for _, stamp in block.asked]


def test_a_released_block_reads_again(block):
    block.read('images', REGION)
    block.release()
    assert not block.held
    block.read('images', INSIDE)
    assert block.asked == [('images', REGION), ('images', INSIDE)]


def test_pixels_outside_are_refused_by_the_source(block):
    with pytest.raises(OffSiliconError):
        block.read('images', REGION.grown(down=40))
