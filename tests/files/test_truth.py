"""The truth file gives back what was written, to the byte."""

import dataclasses

import numpy as np
import pytest
from astropy.table import Table

from photometry.core.errors import IncompatibleError, InputBadError, InputMissingError
from photometry.core.stamp import Stamp
from photometry.files import truth
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import Simulation


@pytest.fixture(scope='module')
def known():
    plan = SectorPlan(seed=3, frames=30, stamp=Stamp(700, 760, 800, 870), variables=0.1)
    return Simulation(plan).truth


def test_round_trip(known, tmp_path):
    path = tmp_path / truth.NAME
    truth.write_truth(path, known)
    found = truth.read_truth(path)
    assert found.facts == known.facts and found.variability == known.variability
    for field in dataclasses.fields(truth.Truth):
        value = getattr(known, field.name)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(found, field.name), value)
    for frame in (0, 29):
        np.testing.assert_array_equal(found.background.evaluate(frame, found.stamp),
                                      known.background.evaluate(frame, known.stamp))
    assert found.stamp == Stamp(700, 760, 800, 870)
    assert found.written.sum() == 30 - known.frames['missing'].sum()
    star = found.variable[0]
    np.testing.assert_allclose(found.flux(star), known.stars['flux'][star] * known.relative[0])
    quiet = np.setdiff1d(np.arange(len(found.stars)), found.variable)[0]
    assert np.ptp(found.flux(quiet)) == 0


def test_the_same_truth_makes_the_same_bytes(known, tmp_path):
    contents = []
    for name in 'ab':
        truth.write_truth(tmp_path / name, known)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_damage_is_named(known, tmp_path):
    path = tmp_path / truth.NAME
    with pytest.raises(InputMissingError, match='does not exist'):
        truth.read_truth(path)
    truth.write_truth(path, known)
    whole = path.read_bytes()
    for content in (b'', b'garbage', whole[:len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(InputBadError, match='no truth file'):
            truth.read_truth(path)


def test_a_newer_schema_is_refused(known, tmp_path, monkeypatch):
    monkeypatch.setattr(truth, 'SCHEMA', '2.0')
    truth.write_truth(tmp_path / 'new', known)
    monkeypatch.undo()
    with pytest.raises(IncompatibleError, match='newer'):
        truth.read_truth(tmp_path / 'new')


def test_star_table_has_the_names_of_the_catalogue(tmp_path):
    stars = np.zeros(2, dtype=[(name, 'f8') for name in (
        'ra_J2000', 'decl_J2000', 'pm_ra', 'pm_decl', 'tmag', 'teff')] + [('starid', 'i8')])
    stars['starid'] = 100, 200
    truth.write_stars(tmp_path / 'stars.ecsv', stars)
    table = Table.read(tmp_path / 'stars.ecsv')
    assert table.colnames == ['ID', 'ra', 'dec', 'pmRA', 'pmDEC', 'Tmag', 'Teff']
    assert str(table['pmRA'].unit) == 'mas / yr' and list(table['ID']) == [100, 200]
