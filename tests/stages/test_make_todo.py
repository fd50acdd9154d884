"""The list of stars: who is on silicon, in which cube, in which order, and what bad input does."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import todo_rows
from astropy.wcs import WCS

from photometry.core.coordinates import SCIENCE, angular_distance, cbv_area
from photometry.core.errors import ExitCode, InputBadError, InputMissingError
from photometry.core.stamp import Stamp
from photometry.files import catalog, paths, todo_lists, wcs
from photometry.files.targets import Targets, read_targets
from photometry.programs import make_todo as program
from photometry.stages import make_todo
from photometry.stages.make_todo import Choice
from photometry.todo.manager import TaskManager

CENTRE = (100.0, -40.0)
WHOLE = SCIENCE


def targets_of(*starids):
    """A list of targets with these numbers."""
    unknown = np.full(len(starids), np.nan)
    return Targets('list', np.array(starids), unknown, unknown)


def tangent_plane():
    """A WCS of the whole FFI without distortion, its axis in the middle of the silicon."""
    made = WCS(naxis=2)
    made.wcs.ctype = ['RA---TAN', 'DEC--TAN']
    made.wcs.crpix = [1068.5, 1024.5]
    made.wcs.cdelt = [-21.1 / 3600, 21.1 / 3600]
    made.wcs.crval = CENTRE
    return made


class FakeCube:
    """What a cube file tells the stage."""

    known = {}

    def __init__(self, path):
        fact = self.known[path.name]
        if isinstance(fact, Exception):
            raise fact
        self.limits, cadence, self._sumimage, self.wcs_text, key = fact
        self.info = SimpleNamespace(sector=key[0], camera=key[1], ccd=key[2], cadence=cadence,
                                    is_cutout=self.limits != WHOLE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def sumimage(self, stamp=None):
        return self._sumimage


@pytest.fixture
def sky(tmp_path, monkeypatch):
    """A directory to which stars and cubes can be added."""
    monkeypatch.setattr(FakeCube, 'known', {})
    monkeypatch.setattr(make_todo.cube_file, 'CubeFile', FakeCube)
    return Sky(tmp_path)


class Sky:
    def __init__(self, folder):
        self.folder, self.todo = folder, folder / 'todo.sqlite'

    def stars(self, places, key=(5, 2, 3)):
        """Write a catalogue of (starid, tmag, row, column)."""
        starid, tmag, row, column = (np.array(values) for values in zip(*places, strict=True))
        stars = np.zeros(len(starid), dtype=catalog.STAR_DTYPE)
        stars['starid'], stars['tmag'] = starid, tmag
        stars['ra'], stars['decl'] = wcs.pixel_to_sky(tangent_plane(), row, column)
        info = catalog.CatalogInfo(*key, camera_centre_ra=CENTRE[0] + 5, camera_centre_dec=CENTRE[1] + 3)
        catalog.write_catalog(self.folder / paths.catalog_name(*key), info, stars, overwrite=True)
        return stars

    def cube(self, limits=WHOLE, cadence=1800, key=(5, 2, 3), sumimage=None, text=None, inside=None):
        name = paths.cube_name(*key, None if limits == WHOLE else limits)
        (self.folder / name).touch()
        image = np.full(limits.shape, 10.0) if sumimage is None else sumimage
        text = wcs.wcs_to_text(tangent_plane()) if text is None else text
        FakeCube.known[name] = limits, cadence, image, text, inside or key
        return name

    def make(self, choice=None, **options):
        return make_todo.make_todo(self.folder, self.todo, choice or Choice(), **options)

    def tasks(self):
        with TaskManager(self.todo) as manager:
            return manager.tasks(10 ** 6)


def test_rows_are_what_the_catalogue_and_the_cube_say(sky):
    stars = sky.stars([(7, 9.0, 100, 100), (3, 9.0, 300, 500), (1, 12.0, 2047, 2091), (2, 15.5, 9, 99)])
    name = sky.cube()
    report = sky.make()
    assert report.counts['on silicon'] == 4 and report.counts['added'] == 3 and not report.problems
    tasks = sky.tasks()
    assert [task.starid for task in tasks] == [3, 7, 1]
    assert [task.priority for task in tasks] == [1, 2, 3]
    assert {(task.sector, task.camera, task.ccd, task.cadence, task.datasource, task.cube)
            for task in tasks} == {(5, 2, 3, 1800, 'ffi', name)}
    assert [task.tile for task in tasks] == [4 * 32 + 7, 32, 31 * 32 + 31]

    areas = dict(todo_rows.query(sky.todo, 'SELECT starid, cbv_area FROM todolist'))
    distance = angular_distance(stars['ra'], stars['decl'], CENTRE[0] + 5, CENTRE[1] + 3)
    expected = dict(zip(stars['starid'].tolist(), cbv_area(2, 3, distance).tolist(), strict=True))
    assert areas == {star: expected[star] for star in (3, 7, 1)}


def test_off_silicon_and_pixels_without_data_are_left_out(sky):
    edges = [(-0.6, 500), (-0.4, 500), (2047.4, 500), (2047.6, 500), (500, 43.4), (500, 43.6), (500, 2091.4),
             (500, 2091.6), (700, 800), (701, 801)]
    sky.stars([(number, 10.0, *place) for number, place in enumerate(edges, 1)])
    image = np.full(WHOLE.shape, 5.0)
    image[:, 800 - 44] = np.nan
    sky.cube(sumimage=image)
    report = sky.make()
    assert {task.starid for task in sky.tasks()} == {2, 3, 6, 7, 10}
    assert report.counts['without data'] == 1


def test_full_frame_wins_then_the_deepest_cutout(sky):
    sky.stars([(1, 10.0, 105, 105), (2, 10.0, 119, 119), (3, 10.0, 131, 131)])
    first = sky.cube(Stamp(95, 125, 95, 125))
    second = sky.cube(Stamp(110, 140, 110, 140))
    sky.make()
    assert {task.starid: task.cube for task in sky.tasks()} == {1: first, 2: second, 3: second}
    whole = sky.cube()
    sky.make(overwrite=True)
    assert {task.cube for task in sky.tasks()} == {whole}


def test_two_cadences_are_two_rows(sky):
    sky.stars([(1, 10.0, 105, 105)])
    sky.cube()
    sky.cube(Stamp(95, 125, 95, 125), cadence=200)
    sky.make()
    assert [(task.starid, task.cadence) for task in sky.tasks()] == [(1, 200), (1, 1800)]


def test_several_sectors_are_kept_apart_and_filtered(sky):
    for key in ((5, 2, 3), (6, 2, 3), (6, 1, 1)):
        sky.stars([(1, 10.0, 105, 105), (key[0] * 10, 11.0, 300, 300)], key)
        sky.cube(key=key)
    sky.make(sector=[6], camera=[2])
    assert {(task.sector, task.camera, task.ccd) for task in sky.tasks()} == {(6, 2, 3)}
    sky.make()
    assert [(task.starid, task.sector, task.camera) for task in sky.tasks()] == [
        (1, 5, 2), (1, 6, 1), (1, 6, 2), (50, 5, 2), (60, 6, 1), (60, 6, 2)]


def test_skips_are_stored_and_only_aperture_skips(sky):
    sky.stars([(1, 10.0, 100, 100), (2, 12.0, 100.3, 100), (3, 13.0, 200, 200), (4, 14.0, 200, 200.2)])
    sky.cube()
    report = sky.make(Choice(methods=(todo_lists.StarRule(4, 0, '', 'psf'),)))
    assert report.counts['skipped'] == 1

    assert todo_rows.query(sky.todo, 'SELECT starid, status, method FROM todolist ORDER BY starid') == [
        (1, None, None), (2, 5, None), (3, None, None), (4, None, 'psf')]
    sky.make(Choice(method='psf'))
    assert {status for status, in todo_rows.query(sky.todo, 'SELECT status FROM todolist')} == {None}
    sky.make(Choice())
    sky.make(Choice(skip=False))
    assert {status for status, in todo_rows.query(sky.todo, 'SELECT status FROM todolist')} == {None}


def test_the_brighter_star_must_be_listed_to_deliver(sky):
    sky.stars([(1, 10.0, 100, 100), (2, 12.0, 100.3, 100)])
    sky.cube()
    for choice in (Choice(targets=targets_of(2)),
                   Choice(exclusions=(todo_lists.StarRule(1, 5, '', 'rubbish'),))):
        sky.make(choice)
        assert [task.starid for task in sky.tasks()] == [2]
        with TaskManager(sky.todo) as manager:
            assert manager.waiting() == 1


def test_saturated_pixels_count_in_the_sum_image(sky):
    image = np.full(WHOLE.shape, 5.0)
    image[80:120, 100 - 44] = 9e4
    sky.stars([(1, 4.0, 100, 100), (2, 11.0, 112, 100), (3, 11.0, 112, 104)])
    sky.cube(sumimage=image)
    assert sky.make().counts['skipped'] == 1


def test_exclusions_by_sector_and_source(sky, tmp_path):
    listed = tmp_path / 'mine.ecsv'
    lines = '1 5 ffi bad\n2 6 "" bad\n3 0 tpf bad\n4 0 "" bad\n'
    listed.write_text(todo_lists.EXCLUSIONS.read_text() + lines)
    sky.stars([(star, 10.0, 100 * star, 100) for star in (1, 2, 3, 4)])
    sky.cube()
    report = sky.make(Choice(exclusions=tuple(todo_lists.read_exclusions(listed))))
    assert {task.starid for task in sky.tasks()} == {2, 3} and report.counts['excluded'] == 2


def test_targets_enter_whatever_their_magnitude(sky, tmp_path):
    sky.stars([(1, 10.0, 100, 100), (2, 19.0, 200, 200), (3, 10.0, 5000, 100)])
    sky.cube()
    listed = tmp_path / 'targets.csv'
    listed.write_text('# mine\nName,TIC\nA,TIC 2\nB,3\nC,99\nD,2\n')
    report = sky.make(Choice(targets=read_targets(listed)))
    assert [task.starid for task in sky.tasks()] == [2] and report.unknown == ['TIC 3', 'TIC 99']


def test_lists_that_are_no_tables(tmp_path):
    listed = tmp_path / 'x.ecsv'
    for text in ('starid\n1\n', 'x', '', todo_lists.METHODS.read_text() + 'a b c d\n'):
        listed.write_text(text)
        with pytest.raises(InputBadError, match='is not an ECSV table'):
            todo_lists.read_methods(listed)
    assert todo_lists.read_methods() == [] and todo_lists.read_exclusions() == []


def test_one_bad_cube_leaves_the_others(sky):
    sky.stars([(1, 10.0, 100, 100), (2, 10.0, 1100, 1100)])
    sky.cube(Stamp(95, 125, 95, 125))
    bad = sky.cube(Stamp(1095, 1125, 1095, 1125))
    FakeCube.known[bad] = InputBadError('It is truncated.')
    report = sky.make()
    assert report.problems == ['It is truncated.'] and [task.starid for task in sky.tasks()] == [1]


def test_input_that_does_not_fit(sky):
    with pytest.raises(InputMissingError, match='run run_prepare_photometry.py'):
        sky.make()
    sky.cube()
    with pytest.raises(InputMissingError, match='run run_make_catalog.py 5 --camera 2 --ccd 3'):
        sky.make()
    sky.stars([(1, 10.0, 100, 100)], key=(5, 2, 4))
    (sky.folder / paths.catalog_name(5, 2, 4)).rename(sky.folder / paths.catalog_name(5, 2, 3))
    with pytest.raises(InputMissingError, match='holds sector 5, camera 2, CCD 4'):
        sky.make()
    sky.stars([(1, 10.0, 100, 100)])
    sky.cube(inside=(6, 2, 3))
    with pytest.raises(InputMissingError, match='says inside that it is of sector 6'):
        sky.make()
    sky.cube(text='')
    with pytest.raises(InputMissingError, match='has no WCS'):
        sky.make()
    assert not sky.todo.exists()


def test_dry_run_writes_nothing(sky, capsys):
    sky.stars([(1, 10.0, 100, 100), (2, 16.0, 200, 200)])
    sky.cube()
    before = sorted(path.name for path in sky.folder.iterdir())
    assert program.main([str(sky.folder), '--dry-run', '-q']) == ExitCode.DONE
    assert 'selected         1' in capsys.readouterr().out
    assert sorted(path.name for path in sky.folder.iterdir()) == before
    assert program.main([str(sky.folder), '-q']) == ExitCode.DONE
    assert [task.starid for task in sky.tasks()] == [1]
    assert program.main([str(sky.folder / 'none')]) == ExitCode.INPUT_MISSING
    assert program.main([str(sky.folder), '--sector', '7']) == ExitCode.INPUT_MISSING


def test_a_dry_run_tells_what_would_be_listed_and_why_not_more(sky, tmp_path, capsys):
    sky.stars([(1, 10.0, 100, 100), (2, 16.0, 200, 200), (3, 12.0, 300, 300), (4, 11.0, 400, 400),
               (5, np.nan, 500, 500), (6, 13.0, 100.2, 100)])
    sky.stars([(7, 9.0, 100, 100)], key=(5, 2, 4))
    sky.cube(), sky.cube(cadence=200, limits=Stamp(390, 410, 390, 410)), sky.cube(key=(5, 2, 4))
    for name, last, row in (('out', 'reason', '3,5,ffi,a galaxy'), ('how', 'method', '4,5,ffi,aperture')):
        columns = {'starid': 'int64', 'sector': 'int64', 'datasource': 'string', last: 'string'}
        kinds = ''.join(f'# - {{name: {column}, datatype: {kind}}}\n' for column, kind in columns.items())
        (tmp_path / f'{name}.ecsv').write_text("# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n"
                                               f'{kinds}{",".join(columns)}\n{row}\n')
    lists = ['--exclusions', str(tmp_path / 'out.ecsv'), '--methods', str(tmp_path / 'how.ecsv')]
    before = {path.name: path.read_bytes() for path in sky.folder.iterdir()}
    assert program.main([str(sky.folder), '--dry-run', *lists]) == ExitCode.DONE
    assert {path.name: path.read_bytes() for path in sky.folder.iterdir()} == before
    said = capsys.readouterr().out
    rows = [line.split(maxsplit=11) for line in said.splitlines() if line.lstrip().startswith('5 ')]
    assert rows == [
        ['5', '2', '3', '200', 'ffi', '1', '1', '0', '0', '0', '0', '1 aperture'],
        ['5', '2', '3', '1800', 'ffi', '6', '3', '1', '1', '1', '1', '2 automatic, 1 aperture'],
        ['5', '2', '4', '1800', 'ffi', '1', '1', '0', '0', '0', '0', '1 automatic']]
    assert said.endswith('Nothing was written.\n')

    assert program.main([str(sky.folder), '-q', *lists]) == ExitCode.DONE
    listed = todo_rows.query(sky.todo, 'SELECT ccd, cadence, count(*) FROM todolist GROUP BY ccd, cadence')
    assert set(listed) == {(3, 200, 1), (3, 1800, 3), (4, 1800, 1)}
    before = sky.todo.read_bytes()
    assert program.main([str(sky.folder), '--dry-run', *lists, '--overwrite']) == ExitCode.DONE
    assert sky.todo.read_bytes() == before


def test_a_dry_run_needs_no_lock(sky, capsys):
    """It tells the same while a scheduler works on the list, and beside a directory that is not there."""
    sky.stars([(1, 10.0, 100, 100)])
    sky.cube()
    sky.make()
    with TaskManager(sky.todo):
        assert program.main([str(sky.folder), '--dry-run']) == ExitCode.DONE
    elsewhere = sky.folder / 'no' / 'todo.sqlite'
    assert program.main([str(sky.folder), '--dry-run', '--todo', str(elsewhere)]) == ExitCode.DONE
    assert not elsewhere.parent.exists()
    assert capsys.readouterr().out.count('Nothing was written.') == 2


def test_reading_and_choosing_scale(sky):
    """20,000 stars are no work; the benchmark has the real figure."""
    random = np.random.default_rng(5)
    number = 20_000
    sky.stars(zip(range(1, number + 1), random.uniform(6, 15, number), random.uniform(0, 2047, number),
                  random.uniform(44, 2091, number), strict=True))
    sky.cube()
    began = time.process_time()
    counts = sky.make().counts
    assert counts['listed'] == number and 0 < counts['skipped'] < 0.005 * number
    assert time.process_time() - began < 10
