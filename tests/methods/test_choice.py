"""The automatic choice keeps the better light curve, says why, and fails for a reason."""

import contextlib
import sqlite3

import numpy as np
import pytest
import simulated

from photometry import STATUS, BasePhotometry
from photometry.core.errors import FluxOnEdgeError, NoFluxError, OutputError
from photometry.files.lightcurve import read_lightcurve
from photometry.methods import choice, evidence
from photometry.stages import tessphot

TIMES = 300


def shows(method, scatter, noise=1.0, seed=1, common=0.0, times=TIMES, drift=0.0, **changes):
    """A light curve whose star varies by ``common`` as that of other methods does."""
    own, star = np.random.default_rng(seed), np.random.default_rng(99)
    flux = scatter * own.normal(size=times) + common * star.normal(size=times) + drift * np.arange(times)
    return evidence.Evidence(method, noise, flux, **changes)


def kept(*found):
    names = {evidence.best(order)[0].method for order in (found, found[::-1])}
    assert len(names) == 1
    return names.pop()


def test_the_preferred_method_is_kept_where_nothing_speaks_against_it():
    assert kept(shows('aperture', 1, seed=2), shows('linpsf', 1)) == 'linpsf'
    assert evidence.best([shows('aperture', 1)])[1] == 'the only light curve'


def test_clearly_less_scatter_wins_whatever_noise_is_expected():
    assert kept(shows('aperture', 0.6, noise=1.5, seed=2), shows('linpsf', 1)) == 'aperture'
    assert kept(shows('aperture', 1.4, noise=0.5, seed=2), shows('linpsf', 1)) == 'linpsf'


def test_expected_noise_decides_where_scatter_cannot():
    assert kept(shows('aperture', 1, noise=0.9), shows('linpsf', 1)) == 'aperture'
    assert kept(shows('aperture', 0.1, noise=1.2, times=15), shows('linpsf', 1, times=15)) == 'linpsf'


def test_the_star_itself_does_not_choose():
    variable = {'common': 30.0}
    for seed in range(2, 12):
        assert kept(shows('aperture', 0.9, seed=seed, noise=1.01, **variable),
                    shows('linpsf', 1, **variable)) == 'linpsf'


def test_a_slow_drift_of_one_method_counts_but_not_that_of_the_star():
    assert kept(shows('aperture', 1.1, seed=2), shows('linpsf', 1, drift=0.02)) == 'aperture'
    assert kept(shows('aperture', 1.1, seed=2, drift=0.02), shows('linpsf', 1, drift=0.02)) == 'linpsf'


def test_noise_hardly_ever_flips_the_choice():
    flips = sum(kept(shows('aperture', 1, seed=seed), shows('linpsf', 1, seed=seed + 1000)) != 'linpsf'
                for seed in range(300))
    assert flips <= 9  # each of two comparisons errs once in a hundred times


def test_certainty_of_equal_light_curves_is_a_standard_normal():
    for series in ('deviations', 'steps'):
        found = [evidence.certainty(*(getattr(shows('a', 1, seed=seed + more), series) for more in (0, 1000)))
                 for seed in range(400)]
        assert np.std(found) == pytest.approx(1, abs=0.12) and abs(np.mean(found)) < 0.15, series


def test_overfitting_counts_as_scatter():
    assert kept(shows('halo', 0.6, seed=2), shows('linpsf', 1)) == 'halo'
    assert kept(shows('halo', 0.6, seed=2, overfit=1.7), shows('linpsf', 1)) == 'linpsf'


def test_light_of_neighbours_counts_as_noise():
    assert kept(shows('aperture', 0.6, seed=2), shows('linpsf', 1)) == 'aperture'
    assert kept(shows('aperture', 0.6, seed=2, leak=2000.0), shows('linpsf', 1)) == 'linpsf'


def test_the_sum_of_merged_stars_is_kept_but_for_saturated_ones():
    found = [shows('aperture', 0.6, seed=2), shows('linpsf', 1, merged=True)]
    assert evidence.best(found)[0].method == 'linpsf'
    assert evidence.best(found)[1] == 'the only sum of merged stars'
    assert evidence.best(found, saturated=True)[0].method == 'aperture'


def test_what_else_is_tried():
    edge, dark, bug = FluxOnEdgeError('x'), NoFluxError('x'), ValueError('x')
    plain = choice.Star()
    assert list(choice.further(plain, [])) == []
    assert list(choice.further(choice.Star(saturated=3), [])) == ['halo']
    assert list(choice.further(plain, [edge, dark])) == ['halo']
    assert list(choice.further(plain, [edge])) == [] and list(choice.further(plain, [bug, bug])) == []
    assert list(choice.further(choice.Star(displaced=0.5), [])) == ['psf']
    assert list(choice.further(choice.Star(moving=0.5, saturated=1), [])) == ['halo', 'psf']


def double(name, scatter=0.0, error=None, level=1.0):
    """A method that knows the truth, adds noise to it, or fails."""

    class Double(BasePhotometry):
        method = name

        def do_photometry(self):
            if error is not None:
                raise error
            star = self.source.truth[self.starid]
            rng = np.random.default_rng([len(name), self.starid])
            size = len(self.lightcurve)
            self.lightcurve['flux'][:] = level * star + scatter * rng.normal(size=size)
            self.lightcurve['flux_err'][:] = scatter
            return STATUS.OK

    return Double


@pytest.fixture
def sector():
    return simulated.simulate([1012, 1025.3], [712, 726.2], [10, 11.5], frames=80)


@pytest.fixture
def context(sector, tmp_path):
    with simulated.worker(sector, tmp_path) as opened:
        truth = dict(zip(sector.starids.tolist(), sector.flux.tolist(), strict=True))
        opened.source(simulated.task(1000)).truth = truth
        yield opened


def offer(context, *doubles):
    """Let these methods be all that are registered."""
    context.__dict__['method_names'] = sorted(double.method for double in doubles)
    context._methods = {double.method: double for double in doubles}


def test_the_better_one_goes_to_the_file_and_the_queue(context, tmp_path):
    offer(context, double('aperture', 9.0), double('linpsf', 3.0))
    result = tessphot.process(simulated.task(1001), context)
    assert (result.status, result.method_used) == (STATUS.OK, 'linpsf')
    assert result.details['methods_tried'] == 'aperture linpsf'
    assert result.details['choice_reason'].startswith('preferred: spread')
    head = read_lightcurve(tmp_path / result.lightcurve).primary
    assert (head['PHOTMET'], head['AUTOMETH'], head['TRIED']) == ('linpsf', True, 'aperture linpsf')
    assert head['CHOICE'] == result.details['choice_reason']


def test_a_named_method_is_no_choice(context, tmp_path):
    offer(context, double('aperture', 9.0), double('linpsf', 3.0))
    result = tessphot.process(simulated.task(1001, method='aperture'), context)
    assert result.method_used == result.details['methods_tried'] == 'aperture'
    assert result.details['choice_reason'] is None
    head = read_lightcurve(tmp_path / result.lightcurve).primary
    assert head['AUTOMETH'] is False and 'TRIED' not in head


def test_one_that_works_is_enough(context):
    offer(context, double('aperture', error=FluxOnEdgeError('It bleeds.')), double('linpsf', 3.0))
    result = tessphot.process(simulated.task(1001), context)
    assert (result.status, result.method_used, result.errors) == (STATUS.OK, 'linpsf', ())
    assert result.details['methods_tried'] == 'aperture(flux_on_edge) linpsf'
    assert result.details['choice_reason'].startswith('the only light curve')


def test_halo_is_tried_by_the_type_of_the_failure(context):
    offer(context, double('aperture', error=FluxOnEdgeError('It bleeds.')),
          double('linpsf', error=NoFluxError('Nothing left.')), double('halo', 3.0))
    result = tessphot.process(simulated.task(1001), context)
    assert (result.status, result.method_used) == (STATUS.OK, 'halo')
    assert result.details['methods_tried'] == 'aperture(flux_on_edge) linpsf(no_flux) halo'


def test_the_most_informative_failure_is_reported(context):
    offer(context, double('aperture', error=NoFluxError('Dark.')),
          double('linpsf', error=FluxOnEdgeError('It bleeds.')), double('halo', error=NoFluxError('Dark.')))
    result = tessphot.process(simulated.task(1001), context)
    assert (result.status, result.reason, result.method_used) == (STATUS.ERROR, 'flux_on_edge', '')
    assert result.errors == ('It bleeds.',)
    assert result.details['methods_tried'] == 'aperture(no_flux) linpsf(flux_on_edge) halo(no_flux)'


def test_a_method_that_breaks_down_is_a_warning_not_a_loss(context):
    offer(context, double('aperture', 3.0), double('linpsf', error=ZeroDivisionError('Oh.')))
    result = tessphot.process(simulated.task(1001), context)
    assert (result.status, result.method_used) == (STATUS.WARNING, 'aperture')
    assert 'linpsf broke down (ZeroDivisionError: Oh.)' in result.errors[0]


@pytest.mark.parametrize(('error', 'reason'), [
    (MemoryError(), 'memory'), (OutputError('Full.'), 'io'), (OSError('Gone.'), 'io')])
def test_what_may_pass_ends_the_star(context, error, reason):
    offer(context, double('aperture', 3.0), double('linpsf', error=error))
    result = tessphot.process(simulated.task(1001), context)
    assert (result.status, result.reason) == (STATUS.ERROR, reason)


@pytest.mark.parametrize('layout', ['tessphot', 'tasoc'])
def test_all_fluxes_may_be_kept(sector, tmp_path, layout):
    import dataclasses

    from photometry import settings
    chosen = settings.load()
    chosen = dataclasses.replace(chosen, lightcurve=dataclasses.replace(
        chosen.lightcurve, all_fluxes=True, layout=layout))
    with simulated.worker(sector, tmp_path, settings=chosen) as context:
        truth = dict(zip(sector.starids.tolist(), sector.flux.tolist(), strict=True))
        context.source(simulated.task(1000)).truth = truth
        offer(context, double('aperture', 9.0), double('linpsf', 3.0))
        result = tessphot.process(simulated.task(1001), context)
        columns = read_lightcurve(tmp_path / result.lightcurve).columns
    if layout == 'tasoc':
        assert len(columns) == 14
        return
    assert np.array_equal(columns['FLUX_LINPSF'], columns['FLUX'])
    assert np.array_equal(columns['FLUX_APERTURE_ERR'], np.full(80, 9.0, dtype='f4'))
    assert list(columns)[-4:] == ['FLUX_APERTURE', 'FLUX_APERTURE_ERR', 'FLUX_LINPSF', 'FLUX_LINPSF_ERR']


def test_saturated_and_moving_stars_are_known(tmp_path):
    bright = simulated.simulate([1020], [720], [5.5], frames=20)
    faint = simulated.simulate([1020], [720], [9], frames=20)
    faint.catalog.stars['pm_ra'] = 3e5
    for made, name in ((bright, 'saturated'), (faint, 'moving')):
        with simulated.worker(made, tmp_path) as context, \
                context.method('aperture').from_task(simulated.task(1000), context) as photometry:
            star = choice.star_of(photometry)
        assert (star.saturated > 0) == (name == 'saturated')
        assert (star.moving > 0.01) == (name == 'moving') and star.displaced < 1e-6


def test_tessphot_chooses_as_the_queue_does(sector, tmp_path, monkeypatch):
    with simulated.worker(sector, tmp_path) as context:
        result = tessphot.process(simulated.task(1000), context)
        first = context.method('aperture').from_task(simulated.task(1000), context)
        made = choice.measure(first, tessphot._attempt)
    assert made.kept.method == result.method_used and made.tried == result.details['methods_tried']
    assert made.kept.details['mean_flux'] == result.details['mean_flux']


def test_a_list_of_the_former_schema_gets_the_columns(tmp_path):
    from photometry.core.task import Result
    from photometry.todo.manager import TaskManager
    path = tmp_path / 'todo.sqlite'
    old = sqlite3.connect(path)
    old.executescript("""
        CREATE TABLE todolist (priority INTEGER PRIMARY KEY, starid INTEGER, sector INTEGER, datasource TEXT,
            camera INTEGER, ccd INTEGER, cadence INTEGER, method TEXT, tmag REAL, status INTEGER,
            cbv_area INTEGER);
        CREATE TABLE diagnostics (priority INTEGER PRIMARY KEY, lightcurve TEXT, method_used TEXT NOT NULL,
            elaptime REAL NOT NULL, worker_wait_time REAL, mean_flux REAL, variance REAL, variability REAL,
            rms_hour REAL, ptp REAL, pos_row REAL, pos_column REAL, contamination REAL, mask_size INTEGER,
            edge_flux REAL, stamp_width INTEGER, stamp_height INTEGER, stamp_resizes INTEGER, errors TEXT,
            reason TEXT, skip_targets TEXT, extra TEXT);
        CREATE TABLE settings (run TEXT PRIMARY KEY, schema TEXT, version TEXT, created TEXT, program TEXT,
            sections TEXT, sha256 TEXT, inputs TEXT);
        INSERT INTO settings (run, schema) VALUES ('old', '1.0');
        INSERT INTO todolist VALUES (1, 11, 1, 'ffi', 1, 1, 1800, NULL, 9.5, 1, 111);
        INSERT INTO todolist VALUES (2, 12, 1, 'ffi', 1, 1, 1800, NULL, 9.5, NULL, 111);
        INSERT INTO diagnostics (priority, method_used, elaptime) VALUES (1, 'aperture', 0.5);""")
    old.close()
    with TaskManager(path) as manager:
        task, = manager.claim()
        manager.finish(Result(task, STATUS.OK, method_used='linpsf', details={
            'methods_tried': 'aperture linpsf', 'choice_reason': 'preferred', 'chi2': 1.02, 'psf_cont': 0.1,
            'merged_with': '13 14'}))
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute(
            'SELECT method_used, methods_tried, choice_reason, chi2, psf_cont, merged_with, extra '
            'FROM diagnostics ORDER BY priority').fetchall()
    assert rows == [('aperture', None, None, None, None, None, None),
                    ('linpsf', 'aperture linpsf', 'preferred', 1.02, 0.1, '13 14', None)]
