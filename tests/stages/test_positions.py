"""Positions as targets: matched with stars, entered as stars, measured like stars."""

from types import SimpleNamespace

import numpy as np
import pytest

from photometry.core import starids
from photometry.core.errors import ExitCode, InputMissingError
from photometry.files import catalog, paths
from photometry.files.lightcurve import read_lightcurve
from photometry.files.targets import Targets, read_targets
from photometry.files.truth import read_truth
from photometry.programs import make_catalog, make_todo, prepare_photometry, tessphot
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import stamp_of_size
from photometry.stages import simulate, targets

PLAN = SectorPlan(seed=11, frames=40, stamp=stamp_of_size(64, 64), number=14, bright=9.0, faint=13.0,
                  background='quiet')


def positions(ra, dec):
    ra, dec = np.atleast_1d(ra).astype('f8'), np.atleast_1d(dec).astype('f8')
    return Targets('list', np.zeros(ra.size, dtype='i8'), ra, dec)


def stars(*rows):
    made = np.zeros(len(rows), catalog.STAR_DTYPE)
    for star, (starid, ra, dec, moved_ra, moved_dec) in zip(made, rows, strict=True):
        star['starid'], star['ra_J2000'], star['decl_J2000'] = starid, ra, dec
        star['ra'], star['decl'] = moved_ra, moved_dec
    return made


def test_a_position_is_the_star_within_three_arcsec():
    second = 1 / 3600
    known = stars((7, 359.9999, 60, 359.9999, 60), (8, 10, 5, 10, 5 + 8 * second),
                  (9, 10, 5 + 4 * second, 10, 5 + 4 * second))
    found = targets.numbers_among(positions(
        [0.0, 0.001, 0.01, 10, 10, 10], [60, 60, 60, 5 + second, 5 + 7 * second, 5 + 3 * second]), known)
    assert found.tolist() == [7, 7, 0, 8, 8, 9], 'at epoch 2000, or where it stood in the images'


def test_numbers_are_themselves_and_nothing_is_found_among_no_stars():
    place = np.array([1.0, np.nan, np.nan])
    asked = Targets('list', np.array([0, 7, 8]), place, place)
    assert targets.numbers_among(asked, stars((7, 50, 50, 50, 50))).tolist() == [0, 7, 0]
    assert targets.numbers_among(asked, stars()).tolist() == [0, 0, 0]


@pytest.fixture(scope='module')
def sky(tmp_path_factory):
    """A sector whose catalogue lacks a star, and a list with its place, an empty one and a star's."""
    folder = tmp_path_factory.mktemp('sector')
    simulate.simulate(folder, PLAN)
    truth = read_truth(folder / 'truth.hdf5').stars
    inside = PLAN.stamp.grown(-12, -12, -12, -12)
    hidden, other = [star for star in truth if inside.contains(star['row'], star['column'])][1:3]
    lines = (folder / 'stars.ecsv').read_text().splitlines()
    kept = [line for line in lines if str(hidden['starid']) not in line.replace(',', ' ').split()]
    assert len(kept) == len(lines) - 1
    (folder / 'kept.ecsv').write_text('\n'.join(kept) + '\n')
    made = SimpleNamespace(folder=folder, hidden=hidden, other=other)
    assert make_catalog.main([str(PLAN.sector), str(folder), '--catalog', str(folder / 'kept.ecsv')]) == 0
    assert prepare_photometry.main([str(folder)]) == 0
    made.list = folder / 'mine.csv'
    made.list.write_text('TIC,ra,dec\n'
                         f',{hidden["ra"]:.7f},{hidden["decl"]:.7f}\n'
                         f',{other["ra"]:.7f},{other["decl"]:.7f}\n'
                         f',{(hidden["ra"] + 180) % 360:.5f},0\n')
    made.position = int(starids.of_position(round(hidden["ra"], 7), round(hidden["decl"], 7)))
    return made


@pytest.fixture(scope='module')
def entered(sky):
    catalogue, = paths.find_catalogs(sky.folder)
    sky.before = catalog.read_catalog(catalogue.path)
    assert make_catalog.main([str(PLAN.sector), str(sky.folder), '--targets', str(sky.list)]) == 0
    sky.catalog = catalog.read_catalog(catalogue.path)
    return sky


def test_a_place_without_a_star_enters_once(entered):
    before, after = entered.before.stars, entered.catalog.stars
    assert set(after['starid']) - set(before['starid']) == {entered.position}
    row = after[after['starid'] == entered.position][0]
    assert np.isnan(row['tmag']) and abs(row['ra'] - entered.hidden["ra"]) < 1e-6
    assert make_catalog.main([str(PLAN.sector), str(entered.folder), '--targets', str(entered.list)]) == 0
    again = catalog.read_catalog(paths.find_catalogs(entered.folder)[0].path)
    assert np.array_equal(again.stars['starid'], after['starid'])


def test_cube_and_catalogue_stand_although_positions_entered(entered, capsys):
    """They have no magnitude, and so no part in either."""
    assert prepare_photometry.main([str(entered.folder), '--targets', str(entered.list)]) == 0
    assert 'is there already' in capsys.readouterr().err
    assert make_catalog.main([str(PLAN.sector), str(entered.folder), '--catalog',
                              str(entered.folder / 'kept.ecsv')]) == 0
    assert 'stands already' in capsys.readouterr().err


def test_the_star_that_the_catalogue_lacks_is_measured(entered, capsys):
    todo = entered.folder / 'mine.sqlite'
    assert make_todo.main([str(entered.folder), '--targets', str(entered.list), '--todo', str(todo)]) == 0
    assert '1 target is in no catalogue or on no pixel with data: RA ' in capsys.readouterr().err
    assert tessphot.main([str(entered.folder), '--all', '--todo', str(todo), '--output',
                          str(entered.folder / 'out'), '--method', 'linpsf']) == 0
    files = sorted((entered.folder / 'out').rglob('*_lc.fits'))
    assert len(files) == 2
    found = {curve.primary['TICID']: curve for curve in map(read_lightcurve, files)}
    hidden, other = found[entered.position], found[int(entered.other['starid'])]
    assert hidden.primary['OBJECT'].startswith(f'Position {entered.hidden["ra"]:.4f}')
    good = hidden.columns['QUALITY'] == 0
    ratio = np.median(hidden.columns['FLUX'][good] / other.columns['FLUX'][good])
    # the level of so few stars is known to 2 %, what they have in common cancels
    assert ratio == pytest.approx(entered.hidden['flux'] / entered.other['flux'], rel=0.005)


def test_only_stars_of_the_list_are_measured(entered):
    todo, out = entered.folder / 'all.sqlite', entered.folder / 'some'
    assert make_todo.main([str(entered.folder), '--todo', str(todo)]) == 0
    assert tessphot.main([str(entered.folder), '--all', '--todo', str(todo), '--output', str(out), '--method',
                          'aperture', '--targets', str(entered.list)]) == 0
    numbers = {read_lightcurve(path).primary['TICID'] for path in out.rglob('*_lc.fits')}
    assert numbers == {int(entered.other['starid'])}, 'the position was not listed by its magnitude'


def test_a_list_of_elsewhere(entered, tmp_path, capsys):
    far = tmp_path / 'far.csv'
    far.write_text('ra,dec\n10,80\n')
    for program in (prepare_photometry.main, make_todo.main):
        assert program([str(entered.folder), '--targets', str(far)]) == ExitCode.INPUT_MISSING
        assert 'run_make_catalog.py --targets' in capsys.readouterr().err
    with pytest.raises(InputMissingError, match='enter them with run_make_catalog.py --targets'):
        targets.star_numbers(entered.folder, read_targets(far))
