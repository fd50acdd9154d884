"""A short scorecard of every method; bounds, tables and depths are what they claim to be."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from photometry.files.lightcurve import read_lightcurve
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import Simulation, stamp_of_size
from photometry.simulation.variability import Variable

sys.path.insert(0, str(Path(__file__).parents[2] / 'benchmarks'))

import bounds
import field_jobs
import fields
import figures
import precision
import quick_fits
import transits

WIDE = {'ratio': (0.7, 1.35), 'bias': (-0.02, 0.02), 'flux_err': (0.75, 1.3), 'completeness': (1, 1)}
"""Limits of the medians of a handful of stars in a short run; the benchmark has the goals."""


@pytest.fixture(scope='module')
def rows():
    found = []
    for scene, size in (('isolated', 80), ('crowded', 56)):
        plan = SectorPlan(seed=3, frames=120, preset=scene, background='quiet', bright=6.5, faint=14.0,
                          stamp=stamp_of_size(size, size))
        job = field_jobs.Job(scene, 'nominal', plan, tuple(fields.methods()), precision.rows_of, most=4,
                             memory=True)
        found += field_jobs.measure(job)[0]
    return found


@pytest.mark.parametrize('method', fields.methods())
@pytest.mark.parametrize('scene', ['isolated', 'crowded'])
def test_a_short_scorecard_of_every_method(rows, scene, method):
    some = [row for row in rows if row['method'] == method and row['scene'] == scene]
    line = figures.of_bin(some, (6, 15))
    assert line['stars'] >= 8
    for name, (least, most) in WIDE.items():
        assert least <= line[name] <= most, (name, line)
    if scene == 'crowded':
        assert line['neighbours'] < line['ratio']


def test_the_table_names_what_is_missed(rows, capsys):
    lines = precision.table(rows)
    assert {line['method'] for line in lines} == set(fields.methods())
    bad = lines[0] | {'bias': 0.5, 'completeness': 0.5}
    assert {'bias', 'completeness'} <= {words.split()[0] for words in precision.missed(bad)}
    assert precision.missed(lines[0] | {'variant': 'incomplete', 'completeness': 1.0, 'ratio': 9.0}) == []
    precision.show([bad | {'missed': precision.missed(bad)}])
    precision.show_failures(rows)
    precision.show_choices(rows)
    printed = capsys.readouterr().out
    assert 'MISSED' in printed and 'light curves asked for' in printed and 'automatic, Tmag' in printed


def test_every_rule_names_what_exists():
    for figure, least, most, methods, scenes, variants, (low, high) in precision.RULES:
        assert figure in (*figures.COLUMNS, 'completeness', 'merged') and least < most and low < high
        assert scenes == '*' or set(scenes.split()) <= set(field_jobs.SCENES)
        assert variants == '*' or set(variants.split()) <= set(field_jobs.VARIANTS)
        assert methods == '*' or set(methods.split()) <= {'aperture', 'linpsf', 'psf', 'halo', 'automatic'}


@pytest.mark.parametrize('variant', list(field_jobs.VARIANTS))
def test_plans_of_variants_are_possible(variant):
    for scene in field_jobs.SCENES:
        plan = field_jobs.plan_of(scene, variant, 1, 10)
        assert plan.stamp.height * plan.stamp.width == 256 * 256


@pytest.mark.parametrize('scene', ['crowded', 'bright'])
def test_bounds_are_reached_by_ideal_estimators(scene):
    limits = bounds.Bounds(Simulation(field_jobs.plan_of(scene, 'nominal', 20, 1, 128)))
    stars = limits.simulation.stars
    bright = np.flatnonzero(field_jobs.counting(stars, limits.simulation.plan))[0]
    assert limits.saturates(bright) and not limits.kept.all()
    assert bounds.check_alone(limits, len(stars) // 2, draws=800) == pytest.approx(1, abs=0.09)
    assert bounds.check_of_kept(limits, bright, draws=300) == pytest.approx(1, abs=0.15)
    assert bounds.check_with_neighbours(limits, draws=150) == pytest.approx(1, abs=0.08)
    assert limits.of_kept(bright) > limits.alone(bright)
    known = np.isfinite(limits.with_neighbours)
    alone = np.array([limits.alone(star) for star in np.flatnonzero(known)])
    unsaturated = [not limits.saturates(star) for star in np.flatnonzero(known)]
    assert (limits.with_neighbours[known][unsaturated] > 0.999 * alone[unsaturated]).all()


def test_fields_that_fill_bins():
    plans = [field_jobs.plan_of('crowded', 'nominal', seed, 10) for seed in (20, 21)]
    more = list(field_jobs.filling('crowded', 'nominal', plans, 256, 2))
    assert len(more) == 2 and more[0][1][0] == (6, 7.5)
    counts = sum(field_jobs.count_stars(plan) for plan in plans)
    filled = counts + field_jobs.count_stars(more[0][0])
    assert filled[1] > counts[1] + 5 and more[0][0].seed not in (20, 21)
    isolated = [field_jobs.plan_of('isolated', 'nominal', seed, 10) for seed in range(20, 27)]
    assert not list(field_jobs.filling('isolated', 'nominal', isolated, 256, 2))


def test_merged_stars_have_the_sum_of_their_light():
    limits = bounds.Bounds(Simulation(field_jobs.plan_of('pairs', 'nominal', 20, 1, 64)))
    stars = limits.simulation.stars
    star = 3  # every third star has a companion; those come last
    assert star % field_jobs.EVERY == 0
    other = len(stars) - len(limits.simulation.plan.companions) + star // field_jobs.EVERY
    away = [stars[axis][star] - stars[axis][other] for axis in ('row', 'column')]
    assert np.hypot(*away) < 0.5
    total = stars['flux'][star] + stars['flux'][other]
    rng = np.random.default_rng(1)
    columns = {'TIME': np.arange(900) / 48, 'FLUX': total + rng.normal(0, 9, 900),
               'FLUX_ERR': np.full(900, 9.0), 'QUALITY': np.zeros(900, int), 'FLUX_BKG': np.ones(900),
               'SAP_FLUX': np.ones(900)}
    curve = SimpleNamespace(columns=columns, primary={}, table={}, aperture=np.zeros((3, 3), int))
    together = figures.of_star(curve, limits, star, [int(stars['starid'][other])])
    apart = figures.of_star(curve, limits, star)
    assert abs(together['bias']) < 0.001 < apart['bias'] and together['bound'] > apart['bound']
    assert np.isnan(together['neighbours']) and apart['neighbours'] < apart['ratio']


def test_depths_of_known_transits():
    rng = np.random.default_rng(2)
    time = np.arange(1300) / 48
    variable = Variable(0, 'transit', 3.0, 1.3, 0.01, 0.25)
    shape = (1 - variable.relative(time)) / variable.depth
    found = []
    for _ in range(200):
        flux = 500 * (1 + 1e-3 * np.sin(time / 4)) * variable.relative(time) + rng.normal(0, 1, time.size)
        flux[::301] += 80
        flux[7] = np.nan
        found.append(transits.depth_of(time, flux, shape, variable))
    depth, error = np.array(found).T
    assert depth.mean() == pytest.approx(0.01, abs=4 * error.mean() / np.sqrt(200) + 1e-5)
    assert depth.std() == pytest.approx(error.mean(), rel=0.2)
    assert np.isnan(transits.depth_of(time[:3], flux[:3], shape[:3], variable)[0])


def test_a_field_of_transits():
    plan = transits.plan_of(3, 60, 64)
    assert len(plan.transits) == 2 * len(plan.companions) + len(plan.transits) % 2
    job = field_jobs.Job('isolated', 'transits', replace(plan, frames=200), ('aperture',), transits.rows_of,
                         bins=(transits.MAGNITUDES,), memory=True, variables=True)
    rows, _ = field_jobs.measure(job)
    assert all(row['done'] for row in rows) and {row['scene'] for row in rows} == {'isolated', 'blended'}
    lines = transits.table(rows)
    assert all(abs(line['bias']) < 0.1 for line in lines if line.get('bias_error', 1) < 0.01)
    transits.show(lines)


def test_files_are_kept_and_taken_again(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(precision, 'ideal', lambda *_: {})
    words = ['--frames', '24', '--size', '48', '--seeds', '1', '--drawn', '-1', '--more', '0', '--most', '1',
             '--scene', 'isolated', '--method', 'aperture', '--processes', '1',
             '--keep', str(tmp_path / 'kept'), '--output', str(tmp_path / 'score.json')]
    results = []
    for _ in range(2):
        precision.main(words)
        results.append(json.loads((tmp_path / 'score.json').read_text())['bins'])
    assert results[0] == results[1] and 'kept' in capsys.readouterr().out
    assert (tmp_path / 'score.png').read_bytes().startswith(b'\x89PNG')
    assert not list((tmp_path / 'kept').rglob('tess*.fits'))


def test_light_curves_of_real_stars_are_scored(tmp_path, capsys):
    field = field_jobs._in_memory(SectorPlan(seed=1, frames=30, preset='isolated', background='quiet',
                                             stamp=stamp_of_size(40, 40)))
    prepared = fields.in_memory(field)
    with prepared.open_worker(str(tmp_path)) as worker:
        inside = [star for star in field.stars if field.stamp.contains(star['row'], star['column'])]
        for star in inside[:2]:
            result = fields.tessphot.process(
                fields.task_of(star, field.simulation.plan, 'field', 'aperture'), worker)
    quick = quick_fits.read(tmp_path / result.lightcurve)
    checked = read_lightcurve(tmp_path / result.lightcurve)
    assert list(quick.columns) == list(checked.columns)
    for name, values in checked.columns.items():
        np.testing.assert_array_equal(quick.columns[name], values)
    np.testing.assert_array_equal(quick.aperture, checked.aperture)
    assert all(quick.primary[name] == checked.primary[name] for name in ('TESSMAG', 'AP_CONT', 'PHOTMET'))
    assert quick.table['TIMEDEL'] == checked.table['TIMEDEL']
    (tmp_path / 'other.fits').write_bytes(b'nothing')
    assert precision.main(['--real', str(tmp_path), '--output', str(tmp_path / 'real.json')]) in (0, 1)
    printed = capsys.readouterr().out
    assert 'real' in printed and 'aperture: 2 light curves' in printed and 'other.fits' in printed


def test_no_flux_is_no_light_curve():
    columns = {name: np.full(5, np.nan) for name in ('TIME', 'FLUX', 'FLUX_ERR')}
    columns['QUALITY'] = np.zeros(5, dtype=int)
    assert figures.of_curve(SimpleNamespace(columns=columns), 10.0) is None
    assert figures.of_bin([{'tmag': 7.0, 'done': False}], (6, 7.5))['completeness'] == 0
    assert figures.of_bin([], (6, 7.5)) is None
