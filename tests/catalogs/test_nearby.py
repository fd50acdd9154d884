"""Of a catalogue the stars around some pixels are found, all that matter and hardly any others."""

import numpy as np

from photometry.catalogs.nearby import Nearby
from photometry.core.stamp import Stamp
from photometry.files import catalog, wcs
from photometry.simulation.pointing import Sky


def test_stars_within_reach_are_there_and_sorted():
    sky, rng = Sky(5, 2, 2), np.random.default_rng(2)
    stars = np.zeros(20_000, catalog.STAR_DTYPE)
    stars['starid'] = np.arange(20_000)
    row, column = rng.uniform(-100, 2200, (2, 20_000))
    stars['ra'], stars['decl'] = sky.radec(row, column)
    stars['ra'][7], stars['decl'][7] = np.nan, 0
    nearby = Nearby(catalog.Catalog(catalog.CatalogInfo(5, 2, 2), stars))
    for stamp in (Stamp(1000, 1011, 900, 911), Stamp(3, 14, 2070, 2092)):
        found = nearby.around(sky.wcs, stamp).stars['starid']
        inside = np.flatnonzero((row > stamp.row_min - 70) & (row < stamp.row_max + 69)
                                & (column > stamp.col_min - 70) & (column < stamp.col_max + 69))
        assert set(inside) <= set(found) | {7} and (np.diff(found) > 0).all() and 7 not in found
        assert len(found) < 2.5 * len(inside)
    assert not nearby.around(Sky(7, 2, 2).wcs, stamp).stars.size


def test_positions_are_the_same_as_from_the_whole_catalogue():
    sky = Sky(5, 2, 2)
    stars = np.zeros(3, catalog.STAR_DTYPE)
    stars['starid'] = 5, 6, 9
    stars['ra'], stars['decl'] = sky.radec(np.array([1005., 1800., 1003.]), np.array([905., 300., 907.]))
    nearby = Nearby(catalog.Catalog(catalog.CatalogInfo(5, 2, 2), stars))
    some = nearby.around(sky.wcs, Stamp(1000, 1011, 900, 911))
    assert some.stars['starid'].tolist() == [5, 9]
    row, column = wcs.sky_to_pixel(sky.wcs, some.stars['ra'], some.stars['decl'])
    np.testing.assert_allclose([row, column], [[1005, 1003], [905, 907]], atol=1e-5)
