"""A variant of a simulated sector has the property that was asked for, and the truth says so."""

import numpy as np
import pytest
from astropy.table import Table
from scipy import ndimage

from photometry.core.errors import UsageError
from photometry.core.stamp import Stamp
from photometry.files import prf, truth
from photometry.simulation import render
from photometry.simulation.field import simulate_field
from photometry.simulation.plan import SectorPlan
from photometry.simulation.pointing import Sky
from photometry.simulation.sector import Simulation, stamp_of_size
from photometry.simulation.shape import Shape
from photometry.stages.simulate import simulate

WING = render.WingShape(0.03, 3.0)
OFFSET = np.arange(-9, 10)


@pytest.fixture(scope='module')
def samples():
    return prf.load_prf(5, 2, 2)


def renderer_of(samples, **shape):
    return render.Renderer(samples.samples, samples.row, samples.column, WING, Shape(**shape))


def profile(renderer, samples, reach=4):
    """Mean over phases of a star's inner light as a finely sampled image: offsets and values."""
    step = np.arange(-4, 5) / 9
    row, column = samples.row[12] + np.repeat(step, 9), samples.column[12] + np.tile(step, 9)
    values, row0, column0 = renderer.stamps(row, column)
    rows = row0[:, None] + np.arange(19) - row[:, None]
    columns = column0[:, None] + np.arange(19) - column[:, None]
    inside = (np.abs(rows) <= reach)[:, :, None] & (np.abs(columns) <= reach)[:, None]
    shape = values.shape
    return (np.broadcast_to(rows[:, :, None], shape)[inside],
            np.broadcast_to(columns[:, None], shape)[inside], values[inside].astype('f8'))


@pytest.mark.parametrize('width', [1.05, 0.95])
def test_stars_are_stretched_about_their_centre(samples, width):
    found, official = (renderer_of(samples, width=w) for w in (width, 1.0))
    # A star w times as wide is, w times as far out, 1/w^2 as bright, but that pixels are not stretched.
    for far in (0, 1, 2, 4):
        wide = found.stamps([samples.row[12] + far * width], [samples.column[12]])
        plain = official.stamps([samples.row[12] + far], [samples.column[12]])
        at = [value[0][samples.row[12].astype(int) - row0[0], samples.column[12].astype(int) - column0[0]]
              for value, row0, column0 in (wide, plain)]
        assert at[0] == pytest.approx(at[1] / width ** 2, rel=0.03, abs=2e-4)


@pytest.mark.parametrize('width', [1.05, 0.95])
def test_all_pixels_together_hold_the_same_light_at_every_phase(samples, width):
    step = np.arange(-4, 5) / 9
    row, column = samples.row[12] + np.repeat(step, 9), samples.column[12] + np.tile(step, 9)
    light = renderer_of(samples, width=width).stamps(row, column)[0]
    assert light[:, 3:16, 3:16].sum(axis=(1, 2), dtype='f8').std() < 1e-3


@pytest.mark.parametrize('shape', [{'width': 1.05}, {'width': 0.95}, {'asymmetry': 0.3},
                                   {'width': 1.05, 'asymmetry': 0.5}])
def test_all_light_of_other_shapes_is_there(samples, shape):
    made = renderer_of(samples, **shape)
    rng = np.random.default_rng(5)
    row, column = rng.uniform(0, 2047, 100), rng.uniform(44, 2091, 100)
    total = (made.stamps(row, column)[0].sum(axis=(1, 2), dtype='f8')
             + made.wing_amplitude(row, column) * made.kernels[0].sum())
    np.testing.assert_allclose(total, 1, atol=3e-6)
    inside = made.stamps(row, column)[0][:, 3:16, 3:16].sum(axis=(1, 2), dtype='f8')
    np.testing.assert_allclose(1 - inside, WING.fraction, atol=0.01)


def test_a_tail_points_one_way(samples):
    official, skew = (profile(renderer_of(samples, asymmetry=length), samples) for length in (0.0, 0.4))
    moments = []
    for rows, columns, light in (official, skew):
        along, across = (rows + columns) / np.sqrt(2), (rows - columns) / np.sqrt(2)
        mean = [np.average(axis, weights=light) for axis in (along, across)]
        moments.append((mean[0], mean[1], np.average((along - mean[0]) ** 2, weights=light),
                        np.average((along - mean[0]) ** 3, weights=light),
                        np.average((across - mean[1]) ** 2, weights=light)))
    change = np.subtract(moments[1], moments[0])
    # Stars stay where they are; the exponential adds its second and third moment along the tail.
    np.testing.assert_allclose(change[:2], 0, atol=0.012)
    assert change[2] == pytest.approx(0.16, rel=0.2) and change[3] == pytest.approx(0.128, rel=0.35)
    assert abs(change[4]) < 0.012


def test_every_frame_is_off_by_the_scatter():
    plain, off = (simulate_field(3, 24, 24, 400, density='sparse', number=1, pointing_scatter=rms)
                  for rms in (0.0, 0.1))
    extra = off.motion - plain.motion
    np.testing.assert_allclose(extra.std(axis=0), 0.1, rtol=0.12)
    assert abs(np.corrcoef(extra[1:, 0], extra[:-1, 0])[0, 1]) < 0.15
    rows, _ = off.positions
    np.testing.assert_allclose(rows[0] - off.stars['row'][0], off.motion[:, 0], atol=0.01)
    alone = simulate_field(3, 24, 24, 400, density='sparse', number=1, pointing_scatter=0.1, jitter=0.0,
                           drift=0.0)
    np.testing.assert_allclose(alone.motion, extra, atol=1e-12)


def test_stars_are_rendered_where_the_scatter_puts_them():
    field = simulate_field(5, 40, 40, 30, density='isolated', number=1, bright=8.0, faint=8.5,
                           pointing_scatter=0.15)
    frames, pixel = np.arange(40), []
    for frame in range(30):
        light = field.starlight(frame).astype('f8')
        pixel.append(np.average(frames, weights=light.sum(axis=1)))
    slope = np.polyfit(field.motion[:, 0], pixel, 1)[0]
    assert slope == pytest.approx(1, abs=0.05)


def test_the_catalogue_is_off_and_the_truth_is_not(tmp_path):
    plan = SectorPlan(seed=8, frames=3, stamp=stamp_of_size(200, 200), preset='crowded', catalog_error=0.05,
                      catalog_limit=14.0)
    simulate(tmp_path, plan)
    known = truth.read_truth(tmp_path / truth.NAME)
    plain = Simulation(SectorPlan(seed=8, frames=3, stamp=plan.stamp, preset='crowded'))
    np.testing.assert_array_equal(known.stars['row'], plain.stars['row'])
    listed = known.stars['listed']
    np.testing.assert_array_equal(listed, known.stars['tmag'] <= 14)
    table = Table.read(tmp_path / truth.STARS_NAME)
    assert list(table['ID']) == list(known.stars['starid'][listed]) and 0.3 < listed.mean() < 0.7
    off = [known.stars[f'catalog_{axis}'] - known.stars[axis] for axis in ('row', 'column')]
    np.testing.assert_allclose(np.std(off, axis=1), 0.05, rtol=0.15)
    years = (known.frames['time'].mean() + 2457000 - 2451545) / 365.25
    decl = np.asarray(table['dec'] + table['pmDEC'] * years / 3.6e6)
    ra = np.asarray(table['ra'] + table['pmRA'] * years / 3.6e6 / np.cos(np.deg2rad(decl)))
    ra_there, decl_there = Sky(5, 2, 2).radec(known.stars['catalog_row'][listed],
                                              known.stars['catalog_column'][listed])
    np.testing.assert_allclose(decl, decl_there, atol=1e-7)
    np.testing.assert_allclose(ra, ra_there, atol=1e-7)


def test_stars_without_an_entry_shine():
    fields = [simulate_field(8, 40, 40, 1, density='crowded', catalog_limit=limit) for limit in (None, 12.0)]
    np.testing.assert_array_equal(fields[0].images, fields[1].images)


def test_a_broad_patch_stays():
    field = simulate_field(2, 256, 256, 5, density='sparse', number=0, background='glow60', zodiacal=100.0)
    for frame in (0, 4):
        image = field.background(frame) - field.background(frame).min()
        peak = np.unravel_index(image.argmax(), image.shape)
        assert image.max() == pytest.approx(50, abs=5)
        along = image[:, peak[1]]
        half = np.flatnonzero(along > image.max() * np.exp(-0.5))
        assert half[-1] - half[0] == pytest.approx(120, abs=8) or 0 in half or 255 in half
    np.testing.assert_allclose(field.background(0).max(), field.background(4).max(), rtol=0.1)


def test_injected_transits():
    plan = {'density': 'isolated', 'number': 3, 'bright': 8.0, 'faint': 9.0, 'cadence': 1800}
    entries = ((0, 0.02, 2.0, 0.3), (2, 0.005, 3.0, 0.2, 1440.0))
    field = simulate_field(4, 80, 80, 200, transits=entries, variables=1.0, **plan)
    quiet = simulate_field(4, 80, 80, 200, **plan)
    assert sorted(field.truth.variable) == [0, 1, 2]
    assert field.truth.facts['transits'] == [list(entry) for entry in entries]
    for (star, depth, period, duration, *epoch), in zip(entries, strict=True):
        light = field.truth.flux(star) / field.stars['flux'][star]
        assert light.min() == pytest.approx(1 - depth) and light.max() == 1
        assert np.mean(light < 1) == pytest.approx(duration / period, rel=0.25)
        if epoch:
            nearest = np.argmin(light)
            phase = (field.times[nearest] - epoch[0]) / period
            assert abs(phase - round(phase)) * period < duration / 2
    star = 0
    row, column = int(field.stars['row'][star]) - field.stamp.row_min, int(field.stars['column'][star])
    spot = np.s_[row - 3:row + 4, column - field.stamp.col_min - 3:column - field.stamp.col_min + 4]
    inside = field.truth.flux(star) == field.truth.flux(star).min()
    faded, full = ((made.images - made.backgrounds)[spot].sum((0, 1)) for made in (field, quiet))
    assert (faded / full)[inside].mean() == pytest.approx(0.98, abs=0.001)


def test_companions_stand_where_they_are_put():
    field = simulate_field(4, 80, 80, 2, density='isolated', companions=((1, 2.0, -1.0), (3, 0.4, 0.5, 90.0)))
    stars = field.stars
    alone = simulate_field(4, 80, 80, 2, density='isolated').stars
    np.testing.assert_array_equal(stars[:-2], alone)
    away = [stars[axis][-2] - stars[axis][1] for axis in ('row', 'column')]
    assert np.hypot(*away) == pytest.approx(2)
    assert stars['tmag'][-2] == stars['tmag'][1] - 1
    assert stars['flux'][-2] == pytest.approx(stars['flux'][1] * 10 ** 0.4)
    np.testing.assert_allclose([stars['row'][-1], stars['column'][-1]],
                               [stars['row'][3], stars['column'][3] + 0.4])
    assert len(np.unique(stars['starid'])) == len(stars) and stars['listed'].all()


def test_stars_are_added():
    field = simulate_field(4, 80, 90, 1, density='crowded', added=(30, 6.0, 9.0))
    alone = simulate_field(4, 80, 90, 1, density='crowded').stars
    np.testing.assert_array_equal(field.stars[:-30], alone)
    more = field.stars[-30:]
    assert more['tmag'].min() >= 6 and more['tmag'].max() <= 9 and np.ptp(more['tmag']) > 2
    assert all(field.stamp.contains(star['row'], star['column']) for star in more)
    assert len(np.unique(field.stars['starid'])) == len(field.stars)


def test_stars_change_their_shape_over_the_ccd(samples):
    field = simulate_field(4, 40, 1100, 1, density='isolated', bright=8.0, faint=8.5, row=0, column=44,
                           roll=0.0, jitter=0.0, drift=0.0)
    light = field.starlight(0)
    shapes = []
    for place in (0, 2):
        away = [field.stars[axis] - getattr(samples, axis)[place] for axis in ('row', 'column')]
        star = field.stars[np.argmin(np.hypot(*away))]
        row, column = (round(float(star[axis])) for axis in ('row', 'column'))
        spot = np.s_[row - 4 - field.stamp.row_min:row + 5 - field.stamp.row_min,
                     column - 4 - field.stamp.col_min:column + 5 - field.stamp.col_min]
        index = 58 - 9 * 4 + 9 * np.arange(9)
        shift = [9 * (where - float(star[axis])) for where, axis in ((row, 'row'), (column, 'column'))]
        grid = np.meshgrid(index + shift[0], index + shift[1], indexing='ij')
        both = [ndimage.map_coordinates(samples.samples[other].astype('f8'), grid)
                for other in (place, 2 - place)]
        wing = 1 - field.simulation.wing.fraction
        shapes.append([np.abs(light[spot] / star['flux'] - wing * one).max() / one.max() for one in both])
    # Every star has the response of its own end of the field, not that of the other.
    assert all(own < 0.01 and 0.03 < other for own, other in shapes)


def test_bright_stars_saturate_and_bleed():
    field = simulate_field(3, 256, 256, 3, density='bright')
    stars = field.stars[field.stars['tmag'] < 6]
    assert len(stars) == 4 and stars['tmag'].min() >= 1.7 and stars['tmag'].max() <= 5.6
    assert (field.stars['tmag'][4:] >= 7).all()
    distance = sum(np.abs(np.subtract.outer(stars[axis], stars[axis])) for axis in ('row', 'column'))
    assert distance[~np.eye(4, dtype=bool)].min() > 90
    for star in stars:
        column = round(star['column']) - field.stamp.col_min
        trail = field.saturated[:, column].any(axis=1)
        row = round(star['row']) - field.stamp.row_min
        assert trail[row]
        assert star['tmag'] > 4 or trail.sum() > 7


@pytest.mark.parametrize('choice', [
    {'prf_width': 2.0}, {'prf_asymmetry': -1.0}, {'pointing_scatter': -0.1}, {'catalog_error': 9.0},
    {'transits': ((1, 0.1, 2.0),)}, {'companions': ((1, 2.0),)}, {'companions': ((-1, 2.0, 1.0),)},
    {'added': (3,)}])
def test_impossible_variants(choice):
    with pytest.raises(UsageError):
        SectorPlan(**choice)


@pytest.mark.parametrize('choice', [
    {'transits': ((999, 0.1, 2.0, 0.1),)}, {'transits': ((0, 0.1, 2.0, 3.0),)},
    {'companions': ((999, 1.0, 1.0),)}])
def test_variants_of_stars_that_are_none(choice):
    with pytest.raises(UsageError, match='star'):
        Simulation(SectorPlan(frames=3, stamp=Stamp(500, 540, 500, 540), **choice))
