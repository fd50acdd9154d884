"""Stamps, coordinates, flags, units and plug-ins."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photometry.core import coordinates, plugins, quality, tiles, units
from photometry.core.errors import UsageError
from photometry.core.stamp import Stamp
from photometry.core.status import STATUS

positions = st.floats(-100, 2200, allow_nan=False)
sizes = st.integers(1, 40)


def test_status_integers_are_frozen():
    assert {status.name: int(status) for status in STATUS} == {
        'UNKNOWN': 0, 'OK': 1, 'ERROR': 2, 'WARNING': 3, 'ABORT': 4, 'SKIPPED': 5, 'STARTED': 6}


@given(positions, positions, sizes, sizes)
def test_stamp_around_has_its_size_and_holds_its_centre(row, column, height, width):
    stamp = Stamp.around(row, column, height, width)
    assert stamp.shape == (height, width)
    assert abs((stamp.row_min + stamp.row_max - 1) / 2 - row) <= 0.5 + 1e-9
    if height % 2 and width % 2 and row % 1 != 0.5 and column % 1 != 0.5:
        assert stamp.contains(row, column)


@given(positions, positions, sizes, sizes)
def test_clipped_stamp_lies_inside(row, column, height, width):
    clipped = Stamp.around(row, column, height, width).clipped(coordinates.SCIENCE)
    assert clipped.height >= 0 and clipped.width >= 0
    if clipped.height and clipped.width:
        assert clipped.row_min >= 0 and clipped.col_min >= 44
        assert clipped.row_max <= 2048 and clipped.col_max <= 2092


def test_slices_count_from_the_origin():
    image = np.arange(20).reshape(4, 5)
    stamp = Stamp(11, 13, 22, 25)
    assert image[stamp.slices((10, 20))].tolist() == [[7, 8, 9], [12, 13, 14]]


@given(st.floats(-1e4, 1e4))
def test_one_based_and_back(index):
    assert coordinates.to_zero_based(coordinates.to_one_based(index)) == pytest.approx(index, abs=1e-9)


def test_outputs_of_the_ccd():
    assert coordinates.ccd_output([44, 555, 556, 2091]).tolist() == [0, 0, 1, 3]


@pytest.mark.parametrize(('distance', 'area'), [(0, 121), (4.2, 121), (4.3, 122), (13, 124), (17.5, 124)])
def test_cbv_area_counts_quarters_of_the_radius(distance, area):
    assert coordinates.cbv_area(1, 2, distance) == area


def test_angular_distance_over_ra_zero_and_at_the_pole():
    assert coordinates.angular_distance(359.999, 0, 0.001, 0) == pytest.approx(0.002)
    assert coordinates.angular_distance(0, 89.999, 180, 89.999) == pytest.approx(0.002)


def test_bad_cadences():
    assert quality.good([0, 16, 1, 4096, 1024, 32 | 64]).tolist() == [True, True, False, False, True, False]
    assert quality.BAD_BITS == sum(
        (1, 2, 4, 8, 32, 128, 512, 4096, 16384))


@given(st.floats(-1, 25))
def test_magnitudes_round_trip(tmag):
    assert units.flux_to_magnitude(units.magnitude_to_flux(tmag)) == pytest.approx(tmag)


def test_plugins_are_found_by_name():
    assert 'aperture' in plugins.names(plugins.METHODS)
    with pytest.raises(UsageError, match="'os.system' is not one of"):
        plugins.load(plugins.METHODS, 'os.system')


def test_what_is_installed_is_looked_up_once(monkeypatch):
    looks, found = [], plugins.metadata.entry_points
    monkeypatch.setattr(plugins.metadata, 'entry_points', lambda: looks.append(1) or found())
    registry = plugins.Registry()
    assert registry.load(plugins.METHODS, 'aperture').method == 'aperture'
    assert registry.names(plugins.SOURCES) == plugins.names(plugins.SOURCES)
    registry.check(plugins.CATALOGS, 'table')
    assert len(looks) == 2  # the registry's, and that of the function


@given(st.floats(-50, 400), st.floats(400, 800))
def test_tiles_are_fixed_and_cover_the_pixels(row, column):
    limits = Stamp(100, 300, 500, 655)
    tile = tiles.tile_at(row, column, limits)
    assert (tile.row_min - 100) % tiles.TILE == 0 and (tile.col_min - 500) % tiles.TILE == 0
    assert tile.clipped(limits) == tile and max(tile.shape) <= tiles.TILE and min(tile.shape) > 0
    assert tile.contains(np.clip(row, 100, 299), np.clip(column, 500, 654))
