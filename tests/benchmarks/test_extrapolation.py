"""What the benchmarks of a CCD and of growth make of their numbers."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / 'benchmarks'))

import ccd
import growth

POINTS = [(frames, stars) for frames in (20, 40, 80) for stars in (500, 2000, 8000)]


def test_the_law_is_found_and_its_residual_told():
    spent = [4 + stars * 2e-3 + frames * stars * 5e-6 for frames, stars in POINTS]
    terms, residual = ccd.law([(*point, seconds, 0) for point, seconds in zip(POINTS, spent, strict=True)], 2)
    assert terms == pytest.approx({'once': 4, 'stars': 2e-3, 'both': 5e-6}, rel=1e-6) and residual < 1e-9
    assert ccd.at(terms, 1300, 20_000) == pytest.approx(4 + 40 + 130)
    spent[4] *= 1.3
    assert ccd.law([(*point, seconds, 0) for point, seconds in zip(POINTS, spent, strict=True)], 2)[1] > 0.1


def test_what_has_no_stars_grows_with_the_frames_alone():
    terms, residual = ccd.law([(frames, 0, 0, 30 + frames) for frames in (20, 40, 80)], 3)
    assert terms == pytest.approx({'once': 30, 'frames': 1}) and residual < 1e-9


def test_a_ccd_is_its_three_programs():
    found = {'prepare': [(frames, 0, 30 + frames, 60 + frames) for frames in (20, 40, 80)],
             'todo': [(frames, 0, 2, 2) for frames in (20, 40, 80)],
             'automatic': [(frames, stars, 3 + stars * 6e-3, 1 + stars * 9e-3) for frames, stars in POINTS]}
    numbers, goals, _ = ccd.result(found, {'automatic': {'wall': 5e-3, 'cpu': 8e-3}},
                                   SimpleNamespace(method=['automatic'], workers=2))
    whole = (30 + 1300 + 2 + 3 + 20_000 * 6e-3) / 60
    assert numbers['wall, minutes: CCD, automatic'] == pytest.approx(whole)
    assert numbers['wall, ms a star: automatic, by the law'] == pytest.approx(6)
    assert numbers['wall, ms a star: automatic, cutout'] == pytest.approx(5)
    assert goals['wall, minutes: CCD, automatic'] == ccd.GOAL and numbers['residual: automatic'] < 1e-6


def test_a_law_that_noise_has_bent_is_no_success():
    # the load fell while more frames were prepared: the wall clock seems not to grow at all
    found = {'prepare': [(10, 0, 186, 97), (20, 0, 201, 107), (40, 0, 177, 153)],
             'todo': [(frames, 0, 2, 2) for frames in (10, 20, 40)],
             'automatic': [(frames, stars, 3 + stars * 6e-3, 1 + stars * 9e-3) for frames, stars in POINTS]}
    numbers, goals, _ = ccd.result(found, {'automatic': {'wall': 2e-2, 'cpu': 3e-2}},
                                   SimpleNamespace(method=['automatic'], workers=2))
    missed = {name for name, goal in goals.items() if numbers[name] > goal}
    assert numbers['wall, minutes: CCD, automatic'] < ccd.GOAL
    assert missed >= {'CPU a core over wall: CCD, automatic', 'law against cutout: automatic'}


def test_stars_are_those_of_whole_tiles(tmp_path):
    rows = [(star, star % 40, 1 if star == 7 else None) for star in range(400)]
    with closing(sqlite3.connect(tmp_path / 'todo.sqlite')) as database, database:
        database.execute('CREATE TABLE todolist (starid INTEGER, tile INTEGER, status INTEGER)')
        database.executemany('INSERT INTO todolist VALUES (?, ?, ?)', rows)
    chosen = ccd.chosen_stars(tmp_path, 55)
    tiles = {star % 40 for star in chosen}
    assert len(tiles) == 6 and set(chosen) == {star for star, tile, _ in rows if tile in tiles} - {7}
    assert chosen == ccd.chosen_stars(tmp_path, 55)


def test_growth_is_a_ratio_to_linear():
    def case(cost, *memory):
        return {'ms a star': cost, 'MB after each tile': list(memory)}
    found = {f'linpsf, {name}': value for name, value in zip(growth.NAMES, (
        case(6.0, 200, 250), case(90.0, 900, 950), case(3.0, 400), case(20.0, 2100)), strict=True)}
    numbers, goals = growth.verdict(found, ['linpsf'])
    assert np.allclose(list(numbers.values()), [1.5, 0.5, 950, 2100, 1.25])
    missed = [name for name, value in numbers.items() if value > goals[name]]
    assert missed == ['linpsf: CPU, more cadences, over linear', 'linpsf: MB, more of both',
                      'linpsf: MB after the last tile, over the first']
