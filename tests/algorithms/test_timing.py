"""Barycentric times: official values, an exact orbit, gaps and ends of the ephemeris."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.algorithms import timing
from photometry.core.errors import InputBadError, InputMissingError
from photometry.files import ephemeris

OFFICIAL = Path(__file__).parents[1] / 'input' / 'times' / 'tic25155310_s0001_times.npz'
MILLISECOND = 1e-3 / 86400


@pytest.fixture(scope='module')
def table():
    return ephemeris.load_ephemeris()


def orbit():
    """An orbit of 1 au in 365.25 days, with a gap of two months."""
    jd = timing.BTJD + np.r_[2000:2100:1 / 24, 2160:2300:1 / 24]
    angle = 2 * np.pi * (jd - timing.BTJD) / 365.25
    return jd, np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)


CIRCLE = orbit()


@pytest.fixture
def circle():
    return CIRCLE


def test_official_corrections(table):
    with np.load(OFFICIAL, allow_pickle=False) as file:
        time, official = file['time'], file['timecorr']
        ra, dec = float(file['ra']), float(file['dec'])
    known = np.isfinite(time)
    ours = timing.barycentric_correction(time - official, ra, dec, table.jd_tdb, table.position)
    assert known.sum() > 19000 and np.array_equal(np.isfinite(ours), known)
    assert abs(ours - official)[known].max() <= 5 * MILLISECOND


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 360), st.floats(-90, 90),
       st.floats(2000, 2099.9) | st.floats(2160, 2299.9))
def test_exact_orbit(ra, dec, time):
    found = timing.barycentric_correction(np.array([time]), ra, dec, *CIRCLE)
    angle = 2 * np.pi * time / 365.25
    truth = np.cos(np.deg2rad(dec)) * np.cos(angle - np.deg2rad(ra)) * timing.LIGHT_DAYS_PER_AU
    assert found == pytest.approx(truth, abs=0.01 * MILLISECOND)


def test_gap_and_ends_are_named(table):
    def ask(time):
        return timing.barycentric_correction(np.array([time]), 10.0, 10.0, table.jd_tdb, table.position)

    assert np.isfinite(ask(4000.0)).all()
    for time, date in ((4090.0, '2026-02-18'), (900.0, '2017-05-26'), (9000.0, '2039-07-30')):
        with pytest.raises(InputMissingError, match=f'was on {date}.*from 2026-01-31 to 2026-04-01'):
            ask(time)


def test_borders_of_the_gap_are_covered(circle):
    jd, _ = circle
    before, after = jd[2399] - timing.BTJD, jd[2400] - timing.BTJD
    assert np.isfinite(timing.spacecraft_position(np.array([before, after]), *circle)).all()
    with pytest.raises(InputMissingError):
        timing.spacecraft_position(np.array([after - 0.01]), *circle)
    with pytest.raises(InputMissingError):
        timing.spacecraft_position(np.array([before + 0.01]), *circle)


def test_missing_times_stay_missing(circle):
    time = np.array([np.nan, 2005.0, np.nan])
    found = timing.barycentric_correction(time, 0.0, 0.0, *circle)
    assert np.array_equal(np.isnan(found), np.isnan(time))
    assert np.isnan(timing.barycentric_correction(np.full(3, np.nan), 0.0, 0.0, *circle)).all()


def test_star_times_undo_the_middle_of_the_ccd(circle):
    spacecraft = np.linspace(2010, 2037, 50)
    centre = timing.barycentric_correction(spacecraft, 100.0, -60.0, *circle)
    time, correction = timing.star_times(spacecraft + centre, centre, 106.0, -55.0, *circle)
    assert np.allclose(time - correction, spacecraft, rtol=0, atol=1e-9)
    direct = timing.barycentric_correction(spacecraft, 106.0, -55.0, *circle)
    assert np.allclose(correction, direct, rtol=0, atol=MILLISECOND)
    assert 1 / 86400 < abs(correction - centre).max() < 80 / 86400


def test_many_stars_at_once(circle):
    time = np.linspace(2010, 2011, 7)
    ra, dec = np.array([1.0, 200.0, 359.0]), np.array([-80.0, 0.0, 45.0])
    together = timing.barycentric_correction(time, ra, dec, *circle)
    assert together.shape == (3, 7)
    for star in range(3):
        single = timing.barycentric_correction(time, ra[star], dec[star], *circle)
        assert np.allclose(together[star], single, rtol=0, atol=1e-12)


def test_ephemeris_survives_storing(tmp_path, circle):
    path = tmp_path / 'ephemeris.hdf5'
    stored = ephemeris.Ephemeris(*circle)
    ephemeris.write_ephemeris(path, stored, 'test')
    read = ephemeris.load_ephemeris(path)
    assert abs(read.jd_tdb - stored.jd_tdb).max() < 1e-3
    assert abs(read.position - stored.position).max() * ephemeris.AU_KM < 0.51
    content = path.read_bytes()
    for damaged in (b'', b'no HDF5', content[:len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(InputBadError, match='ephemeris.hdf5 is corrupt'):
            ephemeris.load_ephemeris(path)
    with pytest.raises(InputMissingError, match='missing'):
        ephemeris.load_ephemeris(tmp_path / 'none')


def test_early_releases_are_late():
    late = -1.979 / 86400
    assert [timing.release_offset(1, 0), timing.release_offset(19, 26)] == [late, late]
    assert timing.release_offset(1, 42) == 0 and timing.release_offset(30, 45, 'spoc-5.0') == 0
    assert timing.release_offset(20, 27, 'spoc-4.0.17-20200130') == late
    assert timing.release_offset(20, 27, 'spoc-4.0.28-20200407') == 0


def test_exposures_of_early_releases_begin_later_and_end_earlier():
    """Start, middle and end move by -1.969, -1.979 and -1.989 s."""
    late, edge = timing.release_offset(5, 7), timing.edge_offset(5, 7)
    assert np.multiply([late + edge, late, late - edge], 86400) == pytest.approx([-1.969, -1.979, -1.989])
    assert timing.edge_offset(5, 60) == 0


@pytest.mark.parametrize('camera, ccd, seconds', [(1, 1, 0), (3, 1, 0.5), (4, 1, 1.0), (2, 1, 1.5),
                                                  (1, 4, 0.06), (2, 3, 1.54)])
def test_early_images_leave_out_when_their_ccd_is_read(camera, ccd, seconds):
    for release in ((1, 0, ''), (19, 26, 'spoc-4.0.12-20191213'), (20, 27, 'spoc-4.0.17-20200130')):
        assert timing.readout_stagger(*release, camera, ccd) * 86400 == pytest.approx(seconds, abs=1e-9)
    for release in ((1, 42, 'spoc-5.0.24'), (20, 27, 'spoc-4.0.28-20200407'),
                    (21, 29, 'spoc-4.0.17-20200130'), (40, 60, '')):
        assert timing.readout_stagger(*release, camera, ccd) == 0


def test_times_of_the_official_light_curve(table):
    """All 20,076 cadences of TIC 25155310: ours is the official time less the lateness of release 0."""
    with np.load(OFFICIAL, allow_pickle=False) as file:
        official, timecorr = file['time'], file['timecorr']
        ra, dec = float(file['ra']), float(file['dec'])
    spacecraft = official - timecorr + timing.release_offset(1, 0)
    place = timing.spacecraft_position(spacecraft, table.jd_tdb, table.position)
    time, _ = timing.times_at(spacecraft, ra, dec, place)
    known = np.isfinite(official)
    assert len(time) == 20076 and np.array_equal(np.isfinite(time), known)
    assert abs(time - (official - 1.979 / 86400))[known].max() <= 5 * MILLISECOND
