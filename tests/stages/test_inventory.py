"""An inventory tells what was put there, by names and a few headers, and what is missing."""

import dataclasses
import gzip
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import target_pixels
import todo_rows
from stages import inventory_files as files
from stages import small_sector

from photometry.core.errors import InputMissingError
from photometry.core.stamp import Stamp
from photometry.files import cube_writer, fits_checks, paths, simulated_tica, tree
from photometry.stages import inventory, inventory_frames, inventory_words
from photometry.todo import filling
from photometry.todo.manager import TaskManager


def listed(folder, key=(5, 2, 2), statuses=(None,)):
    """A todo list of the CCD with these statuses."""
    place = dict(zip(('sector', 'camera', 'ccd'), key, strict=True))
    rows = [{'starid': star, **place, 'datasource': 'ffi', 'cadence': 1800, 'tmag': 10.0 + star, 'tile': 1,
             'cbv_area': 221, 'cube': 'x.hdf5', 'method': None} for star in range(1, len(statuses) + 1)]
    with filling.opened(folder / 'todo.sqlite') as connection:
        filling.enter(connection, rows, {})
        filling.record(connection, '0', {}, '[]')
    change = 'UPDATE todolist SET status = ? WHERE starid = ?'
    for star, status in enumerate(statuses, 1):
        todo_rows.change(folder / 'todo.sqlite', change, status, star)


# Full-frame images

def test_frames_by_names_and_three_headers(tmp_path, monkeypatch):
    where = tmp_path / 'ffi' / 's0005'
    present = [number for number in range(30) if number not in (7, 8, 20)]
    written = {number: files.frame(where, number) for number in present}
    read = []
    real = inventory_frames.frames.read_header
    monkeypatch.setattr(inventory_frames.frames, 'read_header', lambda path: read.append(path) or real(path))
    group, = files.one(tmp_path).frames
    assert len(read) == group.headers_read == 3
    assert (group.product, group.cadence, group.frames, group.missing) == ('spoc', 1800, 27, 3)
    assert group.first == pytest.approx(1438.0, abs=1e-6)
    assert group.last == pytest.approx(1438.0 + 29 / 48, abs=1e-6)
    assert group.first_utc == '2018-11-15 11:58:51' and group.bytes == sum(
        path.stat().st_size for path in written.values())
    relative = {number: path.relative_to(tmp_path).as_posix() for number, path in written.items()}
    assert [(gap.after, gap.before, gap.frames) for gap in group.gaps] == [
        (relative[6], relative[9], 2), (relative[19], relative[21], 1)]
    assert group.gaps[0].days == pytest.approx(2 / 48, abs=1e-3)


def test_pixels_are_never_read(tmp_path, monkeypatch):
    for number in range(5):
        files.frame(tmp_path, number)
    monkeypatch.setattr(fits_checks, 'ones_sum', lambda *_: pytest.fail('pixels were read'))
    assert files.one(tmp_path).frames[0].frames == 5


def test_damaged_files_are_named_and_the_others_counted(tmp_path):
    written = [files.frame(tmp_path, number) for number in range(9)]
    content = written[0].read_bytes()
    written[0].write_bytes(b'')
    written[3].write_bytes(content[:len(content) - 3000])
    written[4].write_bytes(b'x' * 500)
    card = b'CCD     =                    '
    written[8].write_bytes(content.replace(card + b'2', card + b'3'))
    found = files.one(tmp_path)
    assert found.frames[0].frames == 5 and found.frames[0].missing == 2
    reasons = {item.file: item.reason for item in found.damaged}
    assert set(reasons) == {written[at].name for at in (0, 3, 4, 8)}
    for at, words in ((0, 'is empty'), (3, 'truncated'), (4, 'truncated in the header'), (8, 'says CCD 3')):
        assert words in reasons[written[at].name]


def test_many_damaged_files_are_not_all_read(tmp_path, monkeypatch):
    for number in range(40):
        path = files.frame(tmp_path, number)
        if number % 2:
            path.write_bytes(path.read_bytes()[:-3000 - number])
    monkeypatch.setattr(inventory_frames, 'MOST_SUSPECTS', 3)
    found = files.one(tmp_path)
    assert found.frames[0].frames == 20 and len(found.damaged) == 20
    assert sum('was not read' in item.reason for item in found.damaged) == 17


def test_whole_files_of_two_sizes_are_not_all_read(tmp_path):
    """Headers differ between versions of the mission's software."""
    for number in range(60):
        path = files.frame(tmp_path, number)
        if number % 3 == 1:
            path.write_bytes(path.read_bytes() + bytes(2880))
    found = files.one(tmp_path)
    assert found.frames[0].frames == 60 and not found.damaged and found.frames[0].headers_read < 5


def test_all_damaged(tmp_path):
    for number in range(3):
        files.frame(tmp_path, number).write_bytes(b'')
    found = files.one(tmp_path)
    assert not found.frames and len(found.damaged) == 3
    assert found.next == (f'sector 5, camera 2, CCD 2: no image that can be used; fetch them again with '
                          f'run_fetch.py ffi {tmp_path} --sector 5 --camera 2 --ccd 2.')


def test_a_zipped_frame_and_a_copy(tmp_path):
    for number in range(4):
        path = files.frame(tmp_path / 'a', number)
        path.with_name(path.name + '.gz').write_bytes(gzip.compress(path.read_bytes()))
        if number:
            path.unlink()
    (tmp_path / 'b').mkdir()
    (tmp_path / 'b' / path.name).write_bytes(gzip.decompress(path.with_name(path.name + '.gz').read_bytes()))
    group, = files.one(tmp_path).frames
    assert (group.frames, group.copies, group.missing) == (4, 2, 0)


@pytest.mark.parametrize('numbers', [{600: 3, 1800: 4}, {1800: 12, 600: 1}, {200: 2, 600: 9, 1800: 3}])
def test_mixed_cadences_are_told_apart(tmp_path, numbers):
    for cadence, number in numbers.items():
        for index in range(number):
            files.frame(tmp_path, index + 0.1, cadence=cadence)
    assert {group.cadence: group.frames for group in files.one(tmp_path).frames} == numbers


def test_mixed_cadences_of_many_files(tmp_path, monkeypatch):
    """Files between the headers that are read are counted with the one before them."""
    monkeypatch.setattr(inventory_frames, 'MOST_HEADERS', 10)
    for index in range(40):
        files.frame(tmp_path, index, cadence=1800)
        files.frame(tmp_path, 200 + index, cadence=600)
    found = {group.cadence: group for group in files.one(tmp_path).frames}
    assert found.keys() == {600, 1800} and sum(group.frames for group in found.values()) == 80
    assert sum(group.headers_read for group in found.values()) < 15


def test_a_stated_cadence_that_is_not_the_step(tmp_path):
    for number in range(6):
        files.frame(tmp_path, number, cadence=200)
    for path in tmp_path.glob('*.fits'):
        content = path.read_bytes()
        card = content[content.index(b'TIMEDEL ='):][:80]
        path.write_bytes(content.replace(card, b'TIMEDEL = ' + f'{158.4 / 86400:.14E}'.rjust(20).encode()
                                         + b' ' * 50))
    group, = files.one(tmp_path).frames
    assert (group.cadence, group.missing) == (200, 0)


def test_as_many_gaps_as_neighbours(tmp_path):
    for number in (0, 1, 3, 4, 6):
        files.frame(tmp_path, number)
    group, = files.one(tmp_path).frames
    assert (group.cadence, group.missing) == (1800, 2)


def test_tica_counts_cadences_by_name(tmp_path):
    def write(folder, made, index):
        return index in (2, 3) or small_sector.write_tica(folder, made, index)

    plan = small_sector.plan(size=40, frames=6, sector=35, cadence=600, number=5)
    made, _ = small_sector.make(tmp_path, plan, write=write)
    group, = files.one(tmp_path, (35, 2, 2)).frames
    assert (group.product, group.cadence, group.frames, group.missing) == ('tica', 600, 4, 2)
    assert simulated_tica.tica_name(small_sector.frame_facts(made, 1)) == group.gaps[0].after
    assert group.last - group.first == pytest.approx(5 * 600 / 86400, abs=1e-3)


def test_names_without_a_date(tmp_path):
    for number in range(4):
        path = files.frame(tmp_path, number)
    for digits in ('2018999250000', '1', '0' * 13, '9' * 40, '٢' * 13):
        path.with_name(path.name.replace(path.name[4:17], digits)).write_bytes(path.read_bytes())
    group, = files.one(tmp_path).frames
    assert (group.frames, group.undated, group.missing) == (9, 5, 0)


# Other files

def test_cutouts_and_targets(tmp_path):
    small_sector.make_cutout(tmp_path, small_sector.plan(size=12, frames=4, number=3))
    target_pixels.write(tmp_path)
    cut = next(tmp_path.glob('*astrocut.fits'))
    (tmp_path / ('x' + cut.name)).write_bytes(b'')  # the name of nothing
    (tmp_path / cut.name.replace('tess-', 'tica-')).write_bytes(b'')
    found = files.one(tmp_path)
    assert [(one.product, one.files, one.headers_read) for one in found.cutouts] == [
        ('spoc', 1, 1), ('tica', 1, 0)]
    assert 1400 < found.cutouts[0].first < found.cutouts[0].last < 1500
    assert [item.file for item in found.damaged] == [cut.name.replace('tess-', 'tica-')]
    assert found.targets == {'tpf': 1} and found.catalog.stars


def test_target_files_that_are_not_looked_into(tmp_path, monkeypatch):
    path = target_pixels.write(tmp_path)
    monkeypatch.setattr(inventory, 'MOST_TARGETS', 0)
    found, = files.take(tmp_path).ccds
    assert found.camera is None and found.targets == {'tpf': 1} and 'only part' in found.next
    with pytest.raises(InputMissingError):
        files.take(tmp_path, camera=[2])
    path.write_bytes(b'garbage')
    monkeypatch.setattr(inventory, 'MOST_TARGETS', 9)
    files.stars(tmp_path)
    assert path.name in files.take(tmp_path).problems[0]


def test_catalogue(tmp_path):
    files.frame(tmp_path, 0)
    settings = json.dumps({'catalog': {'faint_limit': 16.0, 'source': 'gaia'}})
    path = files.stars(tmp_path, notes={'settings': settings})
    found = files.one(tmp_path).catalog
    assert (found.file, found.stars, found.faint_limit, found.source, found.schema) == (
        path.name, 3, 16.0, 'gaia', '1.1')
    for settings in ('[1]', '{"catalog": 3}', 'x', '{"catalog": {"faint_limit": "NaN", "source": {}}}'):
        files.stars(tmp_path, notes={'settings': settings})
        found = files.one(tmp_path).catalog
        assert (found.stars, found.faint_limit, found.source, found.problem) == (3, None, None, None)
    path.write_bytes(path.read_bytes()[:5000])
    found = files.one(tmp_path)
    assert found.catalog.stars is None and path.name in found.catalog.problem
    assert 'run_make_catalog.py 5' in found.next and found.next.endswith('--ccd 2 --overwrite.')


# Cubes

def test_states_of_a_cube(tmp_path):
    files.stars(tmp_path)
    files.frame(tmp_path, 0)
    with files.journal(tmp_path, 4):
        cube, = files.one(tmp_path).cubes
        assert (cube.state, cube.at_work, cube.frames_learned, cube.frames) == ('begun', True, 4, None)
        assert 'wait for its end' in files.one(tmp_path).next
    found = files.one(tmp_path)
    assert not found.cubes[0].at_work
    assert f'begun (4 frames looked at); go on with run_prepare_photometry.py {tmp_path} ' in found.next

    path = files.cube(tmp_path, blocks=2)
    found = files.one(tmp_path)
    assert (found.cubes[0].state, found.cubes[0].blocks_done, found.cubes[0].blocks) == ('in work', 2, 3)
    assert '2 of 3 blocks' in found.next

    files.cube(tmp_path)
    cube, = files.one(tmp_path).cubes
    assert (cube.state, cube.frames, cube.rows, cube.columns, cube.blocks_done, cube.schema_is_older) == (
        'finished', 6, 8, 9, 3, False)
    assert cube.left_over == (f'{path.name}.journal',)
    (tmp_path / f'{path.name}.journal').unlink()
    assert not files.one(tmp_path).cubes[0].left_over


def test_a_cube_is_looked_at_while_it_is_written(tmp_path):
    """Neither process waits for the other, and the writer does not notice."""
    layers = {name: np.zeros((2, 8, 9)) for name in ('images', 'images_err', 'pixel_flags')}
    script = 'import sys; from stages import inventory_files as f; print(f.one(f.Path(sys.argv[1])).cubes[0])'
    with files.journal(tmp_path, 6), files.writer(tmp_path) as writer:
        writer.write_block(0, layers)
        writer.write_block(2, layers)
        said = subprocess.run([sys.executable, '-c', script, str(tmp_path)], cwd=files.TESTS, check=True,
                              capture_output=True, text=True, env=os.environ | files.PATHS).stdout
        assert "state='in work', at_work=True" in said and 'blocks=3, blocks_done=2' in said
        writer.write_block(1, layers)
        writer.finish(writer.sumimage(), np.zeros((6, 6)), 'translation')
    assert files.one(tmp_path).cubes[0].state == 'finished'


@pytest.mark.parametrize(('schema', 'state', 'older'), [
    ('1.2', 'finished', True), *((text, 'unusable', False) for text in ('0.9', '2.0', 'x'))])
def test_schema_of_a_cube(tmp_path, schema, state, older):
    import h5py
    path = files.cube(tmp_path)
    files.stars(tmp_path)
    with h5py.File(path, 'r+') as file:
        file.attrs['schema'] = schema
    found = files.one(tmp_path)
    assert (found.cubes[0].state, found.cubes[0].schema_is_older) == (state, older)
    assert (path.name in (found.cubes[0].problem or '')) == (state == 'unusable')
    assert ('cannot be used; make it again with run_prepare' in found.next) == (state == 'unusable')


@pytest.mark.parametrize('content', [b'', b'x' * 3000, None])
def test_spoilt_cubes_are_named(tmp_path, content):
    path = files.cube(tmp_path)
    path.write_bytes(path.read_bytes()[:3000] if content is None else content)
    cube_writer.work_path(path).write_bytes(b'')
    cube, = files.one(tmp_path).cubes
    assert cube.state == 'unusable' and str(path) in cube.problem


def test_cubes_of_cutouts(tmp_path):
    files.cube(tmp_path, files.cutout(Stamp(0, 8, 44, 53)))
    files.cube(tmp_path, files.cutout(Stamp(0, 9, 60, 70)), blocks=1)
    found = files.one(tmp_path)
    assert [(cube.is_cutout, cube.state) for cube in found.cubes] == [(True, 'finished'), (True, 'in work')]


# The todo list, and what is next

def test_what_is_next_step_by_step(tmp_path):
    place = 'sector 5, camera 2, CCD 2: '
    of_ccd = f'{tmp_path} --sector 5 --camera 2 --ccd 2'
    files.frame(tmp_path, 0)
    assert files.one(tmp_path).next == (
        f'{place}no catalogue; make it with run_make_catalog.py 5 {tmp_path} --camera 2 --ccd 2.')
    files.stars(tmp_path)
    assert files.one(tmp_path).next == f'{place}no cube; make it with run_prepare_photometry.py {of_ccd}.'
    files.cube(tmp_path)
    assert files.one(tmp_path).next == (
        f'{place}its stars are not in the todo list; list them with run_make_todo.py {of_ccd}.')
    listed(tmp_path, statuses=(None, None, 1))
    found = files.one(tmp_path)
    assert found.todo == {'waiting': 2, 'ok': 1}
    assert found.next == f'{place}2 stars wait; measure them with run_tessphot.py {of_ccd} --all.'
    todo_rows.change(tmp_path / 'todo.sqlite', 'UPDATE todolist SET status = 2 WHERE status IS NULL')
    assert files.one(tmp_path).next.endswith(f'run_tessphot.py {of_ccd} --all --retry-errors.')
    todo_rows.change(tmp_path / 'todo.sqlite', 'UPDATE todolist SET status = 1')
    assert files.one(tmp_path).next == f'{place}all stars are done; nothing is missing.'
    for path in tmp_path.glob('*.fits'):
        path.unlink()
    assert 'nothing is missing' in files.one(tmp_path).next


def test_catalogue_or_list_alone(tmp_path):
    files.stars(tmp_path)
    assert 'no image that can be used; fetch some with run_fetch.py ffi' in files.one(tmp_path).next
    listed(tmp_path, (6, 1, 1))
    assert [one.key for one in files.take(tmp_path).ccds] == [(5, 2, 2), (6, 1, 1)]
    assert [one.key for one in files.take(tmp_path, sector=[6]).ccds] == [(6, 1, 1)]


def test_what_has_to_be_chosen_is_in_the_command(tmp_path):
    files.stars(tmp_path)
    for number in range(4):
        files.frame(tmp_path / 'a', number)
        files.frame(tmp_path / 'b', number + 0.1, cadence=600)
    assert '--cadence 600' in files.one(tmp_path).next
    files.cube(tmp_path, blocks=1)
    assert '--cadence 1800' in files.one(tmp_path).next


def test_a_list_in_use_is_left_alone(tmp_path):
    files.stars(tmp_path)
    files.cube(tmp_path)
    listed(tmp_path)
    with TaskManager(tmp_path / 'todo.sqlite'):
        found = files.take(tmp_path)
    assert 'process' in found.todo.owner and 'process' in inventory_words.lines(found)[-1]
    assert files.take(tmp_path).todo.owner is None


@pytest.mark.parametrize('content', [b'', b'SQLite format 3\0' + b'x' * 200, b'x' * 3000])
def test_spoilt_lists_are_named(tmp_path, content):
    files.stars(tmp_path)
    files.cube(tmp_path)
    (tmp_path / 'todo.sqlite').write_bytes(content)
    found = files.take(tmp_path)
    assert 'todo.sqlite' in found.todo.problem and 'todo.sqlite' in found.ccds[0].next


def test_strange_rows_of_a_list(tmp_path):
    files.stars(tmp_path)
    listed(tmp_path, statuses=(None, 1, 77))
    for sector, starid in (('x', 2), (5e300, 1)):
        todo_rows.change(tmp_path / 'todo.sqlite', 'UPDATE todolist SET sector = ? WHERE starid = ?',
                         sector, starid)
    found = files.take(tmp_path)
    assert [one.key for one in found.ccds] == [(5, 2, 2)] and sum(found.todo.counts.values()) == 3


def test_nothing_is_written(tmp_path):
    files.frame(tmp_path, 0), files.stars(tmp_path), files.cube(tmp_path, blocks=1), listed(tmp_path)
    with files.journal(tmp_path, 1):
        pass
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()}
    files.take(tmp_path)
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()} == before


def test_json_has_every_field(tmp_path):
    files.frame(tmp_path, 0), files.frame(tmp_path, 3), files.stars(tmp_path), files.cube(tmp_path)
    listed(tmp_path)
    (tmp_path / 'tess.fits.part').touch()
    found = json.loads(inventory.as_json(files.take(tmp_path)))
    assert found['schema'] == '1.0' and found['downloads_in_work'] == 1
    assert set(found) == {'schema', 'input', 'ccds', 'todo', 'problems', 'downloads_in_work', 'other_files'}
    assert set(found['todo']) == {'place', 'counts', 'owner', 'problem'}
    for kind, facts in ((inventory.Ccd, found['ccds'][0]), (inventory.Catalog, found['ccds'][0]['catalog']),
                        (inventory.Cube, found['ccds'][0]['cubes'][0]),
                        (inventory_frames.Frames, found['ccds'][0]['frames'][0]),
                        (inventory_frames.Gap, found['ccds'][0]['frames'][0]['gaps'][0])):
        assert list(facts) == [field.name for field in dataclasses.fields(kind)]


# Directories

def test_links_and_closed_directories(tmp_path, monkeypatch):
    files.frame(tmp_path / 'data', 0)
    (tmp_path / 'data' / 'again').symlink_to(tmp_path / 'data')
    (tmp_path / 'data' / 'itself').symlink_to(tmp_path / 'data' / 'itself')
    (tmp_path / 'data' / paths.catalog_name(5, 2, 2)).symlink_to(tmp_path / 'nowhere')
    circle = tmp_path / 'data' / paths.catalog_name(5, 2, 3)
    circle.symlink_to(circle)
    (tmp_path / 'data' / paths.cube_name(5, 2, 2)).symlink_to(files.cube(tmp_path))
    (tmp_path / 'data' / 'closed').mkdir()
    scandir = tree.os.scandir

    def scanned(path):
        if str(path).endswith('closed'):
            raise PermissionError(13, 'Permission denied')
        return scandir(path)
    monkeypatch.setattr(tree.os, 'scandir', scanned)
    found = files.take(tmp_path / 'data')
    assert [one.key for one in found.ccds] == [(5, 2, 2)]
    assert found.ccds[0].frames[0].frames == 1 and found.ccds[0].cubes[0].state == 'finished'
    said = ' '.join(found.problems)
    for words in ('closed cannot be looked into: Permission denied', 'again is a link to a directory',
                  'ccd2.sqlite is a link to nothing', 'ccd3.sqlite cannot be looked at'):
        assert words in said


def test_pipes_are_not_opened(tmp_path):
    files.stars(tmp_path)
    for name in ('tess2018319192942-s0005-2-2-0000-s_ffic.fits', paths.cube_name(5, 2, 2)):
        os.mkfifo(tmp_path / name)
    assert len(files.take(tmp_path).problems) == 2


def test_unreadable_files_are_named(tmp_path, monkeypatch):
    for number in range(3):
        files.frame(tmp_path, number)
    import builtins
    real = builtins.open

    def opened(path, *words, **options):
        if str(path).endswith('_ffic.fits'):
            raise PermissionError(13, 'Permission denied')
        return real(path, *words, **options)
    monkeypatch.setattr(builtins, 'open', opened)
    found = files.one(tmp_path)
    assert not found.frames and all('Permission denied' in item.reason for item in found.damaged)
