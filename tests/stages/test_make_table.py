"""The table of all stars of a small sector."""

import numpy as np
import pytest
import small_sector
import todo_rows
from astropy.io import fits
from pyarrow import parquet

from photometry.files import catalog, paths
from photometry.programs import make_table, merge_todo
from photometry.todo.manager import TaskManager


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
    """A directory with light curves of a few stars; others wait."""
    folder = tmp_path_factory.mktemp('sector')
    return small_sector.measured(folder)


@pytest.fixture
def folder(measured, monkeypatch):
    for name in ('TESSPHOT_INPUT', 'TESSPHOT_OUTPUT', 'TESSPHOT_TODO'):
        monkeypatch.delenv(name, raising=False)
    return measured


def table(folder, *words, name='stars.parquet'):
    path = folder / 'tables' / name
    path.parent.mkdir(exist_ok=True)
    assert make_table.main([str(folder), '--table', str(path), '--overwrite', *map(str, words)]) == 0
    return path


def listed(folder, columns):
    return todo_rows.query(folder / 'todo.sqlite', f'SELECT {columns} FROM todolist LEFT JOIN diagnostics '
                           'USING (priority) ORDER BY priority')


def test_every_star_stands_with_what_became_of_it(folder):
    made = parquet.read_table(table(folder)).to_pydict()
    names = 'starid', 'tmag', 'lightcurve', 'method_used', 'rms_hour', 'mask_size', 'reason', 'elaptime'
    assert list(zip(*(made[name] for name in names), strict=True)) == listed(folder, ', '.join(names))
    assert set(made['status']) >= {'ok', 'waiting'}
    there = [name is not None and (folder / 'lightcurves' / name).is_file() for name in made['lightcurve']]
    assert there == [status in ('ok', 'warning') for status in made['status']]


def test_positions_are_those_of_the_catalogue(folder):
    made = parquet.read_table(table(folder))
    stars = catalog.read_catalog(folder / paths.catalog_name(*small_sector.KEY)).stars
    at = np.searchsorted(stars['starid'], made['starid'].to_numpy())
    for name in ('ra', 'decl', 'pm_ra', 'teff'):
        np.testing.assert_array_equal(made[name].to_numpy(zero_copy_only=False), stars[name][at])


def test_fits_holds_the_same(folder):
    made = parquet.read_table(table(folder))
    found = fits.getdata(table(folder, name='stars.fits'), 'STARS')
    assert found['starid'].tolist() == made['starid'].to_pylist()
    np.testing.assert_array_equal(found['rms_hour'], made['rms_hour'].to_numpy(zero_copy_only=False))


def test_the_table_lies_among_the_light_curves(folder, capsys):
    assert make_table.main([str(folder)]) == 0
    assert (folder / 'lightcurves' / 'stars.parquet').is_file()
    assert ' ok' in capsys.readouterr().out
    assert make_table.main([str(folder)]) == 4
    assert 'exists already' in capsys.readouterr().err


def test_stars_without_a_catalogue_have_no_position(folder, tmp_path, capsys):
    path = tmp_path / 'stars.parquet'
    assert make_table.main([str(tmp_path), '--todo', str(folder / 'todo.sqlite'), '--table', str(path)]) == 0
    assert 'No catalogue of sector 5' in capsys.readouterr().err
    assert parquet.read_table(path)['ra'].null_count == len(listed(folder, 'starid'))


@pytest.mark.parametrize(('words', 'code', 'sentence'), [
    (['--sector', '9'], 4, 'No row'), (['--table', 'stars.txt'], 2, 'has no suffix'),
    (['--todo', 'nowhere.sqlite'], 4, 'does not exist')])
def test_what_cannot_be_is_said(folder, tmp_path, words, code, sentence, capsys):
    words = words if '--table' in words else [*words, '--table', str(tmp_path / 'stars.parquet')]
    assert make_table.main([str(folder), *words]) == code
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_list_at_work_is_left_alone(folder, capsys):
    with TaskManager(folder / 'todo.sqlite'):
        assert make_table.main([str(folder), '--overwrite']) == 75
    assert 'in use by process' in capsys.readouterr().err


def test_rows_that_no_column_can_take(folder, tmp_path, capsys):
    path = tmp_path / 'todo.sqlite'
    path.write_bytes((folder / 'todo.sqlite').read_bytes())
    todo_rows.change(path, "UPDATE todolist SET tmag = 'bright' WHERE priority = 1")
    assert make_table.main([str(folder), '--todo', str(path), '--table', str(tmp_path / 'a.parquet')]) == 4
    assert 'values that a table of stars cannot take' in capsys.readouterr().err
    assert not (tmp_path / 'a.parquet').exists()


def test_merged_lists_give_the_same_table(folder, tmp_path, capsys):
    copy = tmp_path / 'copy.sqlite'
    copy.write_bytes((folder / 'todo.sqlite').read_bytes())
    assert merge_todo.main([str(tmp_path / 'all.sqlite'), str(folder / 'todo.sqlite'), str(copy)]) == 0
    assert 'finished' in capsys.readouterr().out
    merged = table(folder, '--todo', tmp_path / 'all.sqlite', name='merged.parquet')
    assert parquet.read_table(merged).equals(parquet.read_table(table(folder)))
