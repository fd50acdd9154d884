"""A tile is a function of cube and catalogue; its fluxes are those of the stars."""

import numpy as np
import pytest
import simulated

from photometry.core.stamp import Stamp
from photometry.methods import tile, tile_sky


@pytest.fixture(scope='module')
def sector():
    rng = np.random.default_rng(5)
    row, column = rng.uniform(1004, 1096, 60), rng.uniform(704, 796, 60)
    return simulated.simulate(row, column, rng.uniform(9, 14, 60), stamp=Stamp(1000, 1100, 700, 800),
                              frames=30, catalog_error=0.15, zero_point=20.5)


@pytest.fixture
def context(sector, tmp_path):
    with simulated.worker(sector, tmp_path) as made:
        made.close = lambda: None
        yield made


def test_fluxes_come_from_the_image_not_from_the_catalogue(sector, context):
    source = context.source(simulated.task(1000))
    made = context.tile(source, 1010.0, 710.0)
    apart = np.hypot(sector.row - sector.row[:, None], sector.column - sector.column[:, None])
    inside = [star for star in range(60) if made.cell.contains(sector.row[star], sector.column[star])
              and np.sort(apart[star])[1] > 3]
    index = np.array([source.index_of(sector.starids[star]) for star in inside])
    error = made.flux_of(index) / sector.flux[inside] - 1
    assert len(inside) > 8 and np.abs(error).max() < 0.02
    assert made.zero_point == pytest.approx(20.5, abs=0.1)


def test_a_shift_of_the_catalogue_is_measured(sector, tmp_path):
    stars = sector.catalog.stars.copy()
    stars['decl'] += 0.2 * 21 / 3600
    with simulated.worker(sector, tmp_path) as context:
        context.close = lambda: None
        source = context.add_source('shifted', sector.source, simulated.replace_stars(sector.catalog, stars))
        made = context.tile(source, 1010.0, 710.0)
        moved = np.array(made.mean_positions(np.arange(60)))
        true = np.stack([sector.row, sector.column])
        assert np.abs(np.median(moved - true, axis=1)).max() < 0.01


def test_tiles_are_kept_and_forgotten(sector, context):
    source = context.source(simulated.task(1000))
    first = context.tile(source, 1010.0, 710.0)
    assert context.tile(source, 1011.0, 712.0) is first
    assert context.tile(source, 1090.0, 712.0) is not first
    context.clear_cache()
    assert context.tile(source, 1010.0, 710.0) is not first


def test_a_tile_that_was_left_keeps_nothing_of_every_frame(sector, context):
    source = context.source(simulated.task(1000))
    first = context.tile(source, 1010.0, 710.0)
    before, mean, sky = first.series, first.mean, tile_sky.around(first, 1010.0, 710.0)
    context.tile(source, 1090.0, 712.0)
    frames = source.pixels.time.size
    kept = {name for name, value in first.__dict__.items()
            if name in tile.OF_FRAMES or getattr(value, 'template_flux', np.zeros(0)).shape[-1:] == (frames,)}
    assert not kept and not first.pixels.held and first.mean is mean
    assert first.series is not before
    assert np.array_equal(first.series.template_flux, before.template_flux, equal_nan=True)
    again = tile_sky.around(first, 1010.0, 710.0)
    assert np.array_equal(again.change, sky.change, equal_nan=True)


def test_stars_outside_the_cell_get_fluxes_by_magnitude(sector, context):
    source = context.source(simulated.task(1000))
    made = context.tile(source, 1010.0, 710.0)
    far = np.flatnonzero(sector.row > made.region.row_max + tile.REACH + 2)
    index = np.array([source.index_of(starid) for starid in sector.starids[far]])
    assert far.size and np.allclose(made.flux_of(index) / sector.flux[far], 1, atol=0.7)
