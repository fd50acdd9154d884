"""Stars that have a Gaia number and no TIC number, from the list to the light curve and the table of all."""

import warnings

import numpy as np
import pyarrow.parquet
import pytest
import small_sector
import todo_rows
from numpy.lib import recfunctions

from photometry.files import catalog, paths
from photometry.files.lightcurve import read_lightcurve
from photometry.programs import make_table, make_todo, prepare_photometry, tessphot

FIRST = 5731246381742426496


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A prepared corner whose catalogue is as the source gaia makes it."""
    for name in ('TESSPHOT_INPUT', 'TESSPHOT_OUTPUT', 'TESSPHOT_TODO'):
        monkeypatch.delenv(name, raising=False)
    small_sector.make(tmp_path, small_sector.plan(size=48, frames=12, number=15))
    path = tmp_path / paths.catalog_name(*small_sector.KEY)
    found = catalog.read_catalog(path)
    numbers = FIRST + np.arange(found.stars.size)
    stars = recfunctions.append_fields(found.stars, 'gaia', numbers, usemask=False)
    stars['starid'] = -numbers
    catalog.write_catalog(path, found.info, stars, overwrite=True)
    assert prepare_photometry.main([str(tmp_path), '-q']) == 0
    return tmp_path


def numbers(folder):
    found = todo_rows.query(folder / 'todo.sqlite', 'SELECT starid FROM todolist ORDER BY priority')
    return [row[0] for row in found]


def test_a_star_keeps_its_number_everywhere(folder):
    assert make_todo.main([str(folder), '-q']) == 0
    wanted, excluded = numbers(folder)[:2]
    assert wanted < -FIRST + 1 and excluded < -FIRST + 1
    (folder / 'targets.txt').write_text(f'{wanted}\n{excluded}\n')
    names = ''.join(f'# - {{name: {name}, datatype: {kind}}}\n' for name, kind in (
        ('starid', 'int64'), ('sector', 'int64'), ('datasource', 'string'), ('reason', 'string')))
    (folder / 'exclusions.ecsv').write_text(f'# %ECSV 1.0\n# ---\n# datatype:\n{names}'
                                            f'starid sector datasource reason\n{excluded} 0 ffi odd\n')
    (folder / 'todo.sqlite').unlink()
    assert make_todo.main([str(folder), '-q', '--targets', str(folder / 'targets.txt'),
                           '--exclusions', str(folder / 'exclusions.ecsv')]) == 0
    assert numbers(folder) == [wanted]
    assert tessphot.main([str(folder), '-q', '--starid', str(wanted)]) == 0
    (name,), = todo_rows.query(folder / 'todo.sqlite', 'SELECT lightcurve FROM diagnostics')
    assert f'/tess{wanted}-s005' in name
    primary = read_lightcurve(folder / 'lightcurves' / name).primary
    assert (primary['OBJECT'], primary['TICID']) == (f'Gaia DR3 {-wanted}', wanted)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        import lightkurve
        curve = lightkurve.read(folder / 'lightcurves' / name)
    assert (curve.meta['LABEL'], curve.meta['TARGETID']) == (primary['OBJECT'], wanted)
    assert make_table.main([str(folder), '-q', '--table', str(folder / 'stars.parquet')]) == 0
    table = pyarrow.parquet.read_table(folder / 'stars.parquet', columns=['starid'])
    assert table['starid'].to_pylist() == [wanted]
