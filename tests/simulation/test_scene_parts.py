"""Stars, times, motion, background and variability as they are drawn."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from photometry.core.coordinates import SCIENCE
from photometry.core.errors import UsageError
from photometry.core.quality import CadenceFlag, good
from photometry.core.stamp import Stamp
from photometry.files import ffi
from photometry.simulation.background import make_background
from photometry.simulation.motion import make_motion
from photometry.simulation.plan import SectorPlan
from photometry.simulation.schedule import CADENCES, make_schedule
from photometry.simulation.stars import draw_stars
from photometry.simulation.variability import Variable, draw_variables

STAMP = Stamp(896, 1152, 940, 1196)


def schedule(frames=300, cadence=1800, **choices):
    return make_schedule(np.random.default_rng(1), 5, cadence, frames, **choices)


@pytest.mark.parametrize('preset, number', [('sparse', 50), ('typical', 250), ('crowded', 1100)])
def test_densities(preset, number):
    stars = draw_stars(np.random.default_rng(1), STAMP, preset=preset)
    inside = [STAMP.contains(*place) for place in zip(stars['row'], stars['column'], strict=True)]
    assert abs(sum(inside) - number) < 5 * np.sqrt(number)
    assert len(np.unique(stars['starid'])) == len(stars)
    assert (np.diff(stars['tmag']) >= 0).all() and 2 <= stars['tmag'].min() <= stars['tmag'].max() <= 15
    fainter = draw_stars(np.random.default_rng(1), STAMP, preset=preset, faint=16.0)
    assert len(fainter) == pytest.approx(len(stars) * 10 ** 0.3, rel=0.01)


def test_counts_grow_with_magnitude():
    tmag = draw_stars(np.random.default_rng(2), SCIENCE, number=50_000)['tmag']
    counts = np.log10([np.sum(tmag < limit) for limit in (11, 12, 13, 14, 15)])
    np.testing.assert_allclose(np.diff(counts), 0.3, atol=0.03)


def test_isolated_stars_stand_alone():
    stars = draw_stars(np.random.default_rng(3), STAMP, preset='isolated')
    places = np.stack([stars['row'], stars['column']], axis=-1)
    nearest = cKDTree(places).query(places, 2)[0][:, 1]
    assert nearest.min() > 12 and len(stars) >= 140
    counts = np.histogram(stars['tmag'], np.arange(6, 15.1, 1.5))[0]
    assert counts.min() > 10


def test_numbers_of_cadences_agree_with_the_reader():
    for cadence in CADENCES:
        made = schedule(50, cadence)
        np.testing.assert_array_equal(ffi.cadence_number(made.middle, cadence), made.cadenceno)
    first = make_schedule(np.random.default_rng(1), 1, 1800, 1)
    assert first.cadenceno[0] == 4697
    assert first.middle[0] == pytest.approx(1325.32351727, abs=1e-8)


def test_faults_and_gap():
    made = schedule(1000)
    steps = np.diff(made.cadenceno)
    assert np.count_nonzero(steps > 1) == 1 and steps[499] == 39
    assert made.zero.any() and made.missing.any() and not (made.zero & made.missing).any()
    assert (made.quality[made.zero] == 0).all()
    for flag in (CadenceFlag.DESATURATION, CadenceFlag.COARSE_POINT, CadenceFlag.SCATTERED_LIGHT,
                 CadenceFlag.STRAYLIGHT):
        assert (made.quality & flag).any()
    assert good(made.quality).mean() > 0.97
    few = schedule(3)
    assert few.clean.all() and (np.diff(few.cadenceno) == 1).all()


@pytest.mark.parametrize('cadence', [20, 1800])
def test_motion_has_the_size_asked_for(cadence):
    made = make_motion(np.random.default_rng(2), schedule(400, cadence, faults=False), (1023., 1067.),
                       jitter=0.004, drift=0.2)
    distance = np.hypot(*(made.shift[-1] - made.shift[0]))
    length = min(1, 400 * cadence / 86400 / 5)
    assert distance == pytest.approx(0.2 * length, rel=0.15, abs=0.02)
    steps = np.diff(made.shift, axis=0)
    assert 0.002 < steps.std() < 0.006
    assert np.abs(made.matrix).max() < 1e-5
    row, column = made.positions(np.array([1023., 2000.]), np.array([1067., 100.]))
    np.testing.assert_allclose(row[0], 1023 + made.shift[:, 0])
    np.testing.assert_allclose(np.stack([row[1, 7], column[1, 7]]),
                               (2000, 100) + made.offsets(7, [2000.], [100.])[0])


@pytest.mark.parametrize('preset', ['quiet', 'gradient', 'glow', 'straps', 'tess'])
def test_a_part_of_the_background_is_the_part_of_the_whole(preset):
    made = make_background(np.random.default_rng(4), schedule(40), STAMP, preset=preset)
    part = Stamp(900, 930, 1000, 1100)
    whole = made.evaluate(17, STAMP)
    np.testing.assert_allclose(made.evaluate(17, part), whole[part.slices((896, 940))], rtol=1e-13)
    assert 50 < whole.min() and np.isfinite(whole).all()


def test_what_backgrounds_hold():
    def background(preset):
        return make_background(np.random.default_rng(9), schedule(300, faults=False), STAMP, preset=preset)

    assert np.ptp(background('quiet').evaluate(0, STAMP)) == 0
    assert np.ptp(background('gradient').evaluate(0, STAMP)) > 10
    straps = background('straps')
    assert np.ptp(straps.evaluate(0, STAMP), axis=0).max() < 1e-9
    assert 0.02 < straps.on(STAMP).response.max() - 1 < 0.1
    glow = background('glow').glow
    assert 30 < glow.max() < 400
    # It comes and goes within hours.
    assert np.abs(np.diff(glow)).max() > 0.05 * glow.max() and np.median(glow) < 0.01 * glow.max()
    corner = make_background(np.random.default_rng(9), schedule(3), SCIENCE, axis=(2100., 2140.))
    ends = corner.evaluate(0, SCIENCE)
    assert corner.corner[0] > 0 and ends[0, 0] > corner.level[0]


def test_unknown_words():
    with pytest.raises(UsageError, match='no background'):
        make_background(np.random.default_rng(1), schedule(3), STAMP, preset='mist')
    with pytest.raises(UsageError, match='no density'):
        draw_stars(np.random.default_rng(1), STAMP, preset='dense')


@pytest.mark.parametrize('choice', [
    {'cadence': 1700}, {'frames': 0}, {'camera': 5}, {'ccd': 0}, {'seed': -1}, {'sector': 0},
    {'stamp': Stamp(0, 0, 44, 60)}, {'stamp': Stamp(0, 10, 30, 60)}, {'stamp': Stamp(2040, 2050, 44, 60)},
    {'preset': 'dense'}, {'background': 'mist'}, {'number': -1}, {'wing': 0.9}, {'variables': 2.0}])
def test_impossible_plans(choice):
    with pytest.raises(UsageError) as caught:
        SectorPlan(**choice)
    assert str(caught.value).endswith('.') and '\n' not in str(caught.value)


def test_light_curves():
    time = np.linspace(0, 10, 20_001)
    transit = Variable(0, 'transit', 2.5, 1.0, 0.01, 0.2)
    light = transit.relative(time)
    assert light.min() == pytest.approx(0.99) and light.max() == 1
    assert np.mean(light < 1) == pytest.approx(0.2 / 2.5, rel=0.01)
    np.testing.assert_allclose(transit.relative(time + 2.5), light, atol=1e-6)
    eclipse = Variable(0, 'eclipse', 2.5, 1.0, 0.3, 0.2).relative(np.array([1.0, 2.25, 1.6]))
    np.testing.assert_allclose(eclipse, [0.7, 0.88, 1])
    pulsation = Variable(0, 'pulsation', 0.3, 0.0, 0.02).relative(time)
    assert pulsation.mean() == pytest.approx(1, abs=1e-3) and 0.01 < np.ptp(pulsation) < 0.08


def test_variables_are_of_all_kinds():
    drawn = draw_variables(np.random.default_rng(1), 300, (1430., 1437.), 0.1)
    assert len(drawn) == 30 and {variable.kind for variable in drawn} == {'transit', 'eclipse', 'pulsation'}
    assert not draw_variables(np.random.default_rng(1), 300, (1430., 1437.), 0.0)
