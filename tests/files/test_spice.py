"""SPICE kernels as the path of TESS: the same places, and what is wrong with other files."""

import numpy as np
import pytest
import spiceypy
from spice_kernels import EARTH, J2000, circle, write

from photometry.algorithms import timing
from photometry.core.errors import InputBadError, InputMissingError
from photometry.files import ephemeris, spice


@pytest.fixture
def kernels(tmp_path):
    """Kernels of two stretches of ten days in a directory."""
    for name, first in (('a.bsp', 2459000.0), ('b.bsp', 2459030.0)):
        jd = first + np.arange(0, 10.01, 1 / 24)
        write(tmp_path / name, jd, *circle(jd))
    return tmp_path


def test_places_are_those_of_the_kernel(kernels):
    table = spice.sampled(kernels, 2459002.0, 2459006.0)
    assert table.jd_tdb[0] <= 2459002.0 and table.jd_tdb[-1] >= 2459006.0
    assert len(table.jd_tdb) < 700 and (np.diff(table.jd_tdb) > 0).all()
    time = np.linspace(2002.0, 2006.0, 1000)
    found = timing.spacecraft_position(time, table.jd_tdb, table.position)
    truth = circle(time + timing.BTJD)[0] / ephemeris.AU_KM
    assert abs(found - truth).max() * ephemeris.AU_KM < 0.05


def test_the_ephemeris_that_comes_along_agrees_when_made_a_kernel(tmp_path):
    ours = ephemeris.load_ephemeris()
    part = slice(5000, 5500)
    jd, place = ours.jd_tdb[part], ours.position[part] * ephemeris.AU_KM
    write(tmp_path / 'tess.bsp', jd, place, np.gradient(place, (jd - J2000) * 86400, axis=0))
    time = np.linspace(jd[10], jd[-10], 3000) - timing.BTJD
    table = spice.sampled(tmp_path / 'tess.bsp', time[0] + timing.BTJD, time[-1] + timing.BTJD)
    corrections = [timing.barycentric_correction(time, 80.0, -66.0, source.jd_tdb, source.position)
                   for source in (table, ours)]
    assert abs(corrections[0] - corrections[1]).max() * 86400e3 < 1


def test_a_gap_between_kernels_stays_one(kernels):
    table = spice.sampled(kernels, 2459008.0, 2459032.0)
    timing.spacecraft_position(np.array([2009.9, 2030.1]), table.jd_tdb, table.position)
    with pytest.raises(InputMissingError, match='except from 2020-06-09 to 2020-06-29.*times.kernels'):
        timing.spacecraft_position(np.array([2020.0]), table.jd_tdb, table.position)


def test_the_planets_may_lie_in_a_kernel_of_their_own(tmp_path):
    jd = 2459000.0 + np.arange(0, 10.01, 1 / 24)
    near = circle(jd, 0.002, 13.7)
    write(tmp_path / 'tess.bsp', jd, *near, centre=EARTH)
    with pytest.raises(InputMissingError, match='barycentre of the solar system; add the one of the planets'):
        spice.sampled(tmp_path, 2459002.0, 2459003.0)
    write(tmp_path / 'planets.bsp', jd, *circle(jd), body=EARTH)
    table = spice.sampled(tmp_path, 2459002.0, 2459003.0)
    truth = (circle(table.jd_tdb)[0] + circle(table.jd_tdb, 0.002, 13.7)[0]) / ephemeris.AU_KM
    assert abs(table.position - truth).max() * ephemeris.AU_KM < 1


def test_other_times_and_other_bodies_are_named(kernels, tmp_path):
    with pytest.raises(InputMissingError, match=r'to 2458901.0, only from JD 2459000.0 to '):
        spice.sampled(kernels, 2458900.0, 2458901.0)
    alone = tmp_path / 'planet'
    alone.mkdir()
    jd = 2459000.0 + np.arange(0, 10.01, 1 / 24)
    write(alone / 'planets.bsp', jd, *circle(jd), body=EARTH)
    with pytest.raises(InputMissingError, match='tell nothing of TESS'):
        spice.sampled(alone, 2459002.0, 2459003.0)


def test_files_that_are_no_kernels(kernels, tmp_path):
    text = tmp_path / 'meta' / 'all.bsp'
    text.parent.mkdir()
    text.write_text("KPL/MK\n\\begindata\nKERNELS_TO_LOAD = ( '/etc/passwd' )\n")
    with pytest.raises(InputBadError, match='all.bsp is no SPK kernel'):
        spice.sampled(text.parent, 2459002.0, 2459003.0)
    content = (kernels / 'a.bsp').read_bytes()
    text.write_bytes(content[:1500])
    with pytest.raises(InputBadError, match='cannot be used'):
        spice.sampled(text, 2459002.0, 2459003.0)
    for nothing in (tmp_path / 'none', tmp_path / 'none.bsp'):
        with pytest.raises(InputMissingError, match='There is no SPICE kernel'):
            spice.sampled(nothing, 2459002.0, 2459003.0)


def test_nothing_stays_in_the_memory_of_spice(kernels):
    spice.sampled(kernels, 2459002.0, 2459003.0)
    assert spiceypy.ktotal('ALL') == 0
    with pytest.raises(InputMissingError):
        spice.sampled(kernels, 2458900.0, 2458901.0)
    assert spiceypy.ktotal('ALL') == 0
