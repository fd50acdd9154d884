"""Whatever is wrong with the input: one sentence, the documented exit code, the rest unharmed."""
# ruff: noqa: E501 - a table is read by its rows

import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import bad_sector as bad
import pytest
from bad_sector import CUBE, OTHER_CATALOG, damage, frame, frames_in, text, written

ROOT = Path(__file__).parents[2]
ALL = list(range(bad.FRAMES))
WITHOUT_3 = [0, 1, 2, *range(4, bad.FRAMES)]


class Case(NamedTuple):
    """A row of the table."""

    what: str
    spoil: object
    """Called with the sector before the command."""
    command: str
    code: int
    sentence: str
    """Regular expression for the one line on standard error; '' for none."""
    then: object = None
    """Called with the sector after the command; without it nothing may have changed if the command failed."""


CATALOG = 'make_catalog 5 INPUT --camera 2 --ccd 2 --catalog INPUT/stars.ecsv --overwrite'
MINE = CATALOG.replace('stars.ecsv', 'mine.csv')
PREPARE, TODO, ALL_STARS = 'prepare INPUT', 'make_todo INPUT', 'tessphot INPUT --all'
ONE = 'tessphot INPUT --camera 2 --ccd 2 --datasource ffi --starid'


def has(frames):
    """The cube holds these frames and no others."""
    def check(sector):
        assert frames_in(sector.cube) == frames
    return check


def only_other_ccd(sector):
    """Every star of the CCD failed, none of the other CCD."""
    found = bad.statuses(sector)
    assert {status for ccd, status in found if ccd == 2} == {2} and not {(3, 2), (3, None)} & set(found)


def one_failed(sector):
    """One star failed, all others were measured."""
    assert sum(number for (_, status), number in bad.statuses(sector).items() if status in (None, 2)) == 1


def list_kept(sector):
    """The list has what it had."""
    assert {ccd for ccd, _ in bad.statuses(sector)} == {2, 3}


def fine(_):
    """It is enough that what is new is whole."""


def both(*spoils):
    """Several things are wrong."""
    def spoil(sector):
        for one in spoils:
            one(sector)
    return spoil


def with_list(spoil):
    """All stars wait and something is wrong."""
    return both(bad.all_wait, spoil)


def of(name, kind):
    """A file is damaged."""
    return lambda sector: damage(getattr(sector, name), kind)


FRAMES = [
    Case('truncated frame', frame(3, 'truncated'), PREPARE, 0, 'left out: .*205942.*it is truncated', has(WITHOUT_3)),
    Case('empty frame', frame(3, 'empty'), PREPARE, 0, 'left out: .*205942.*file is empty', has(WITHOUT_3)),
    Case('garbage frame', frame(3, 'garbage'), PREPARE, 0, 'left out: .*205942.*not a FITS file', has(WITHOUT_3)),
    Case('bit-flipped frame', frame(3, 'bit-flipped'), PREPARE, 0, 'left out: .*205942.*DATASUM of HDU 1 does not fit',
         has(WITHOUT_3)),
    Case('frame of NaN', written(3, change=lambda image: image * float('nan')), PREPARE, 0,
         'left out: .*205942.*has no pixel with a value', has(WITHOUT_3)),
    Case('all frames of NaN', written(change=lambda image: image * float('nan')), PREPARE, 4,
         'No frame of sector 5, camera 2, CCD 2 in INPUT has usable pixels; get the files again'),
    Case('all frames bit-flipped', bad.all_frames('bit-flipped'), PREPARE, 4, 'No frame .* has usable pixels'),
    Case('frame without a WCS', written(3, wcs_text=lambda old: ''), PREPARE, 0, '205942.*has no usable WCS', has(ALL)),
    Case('no frame with a WCS', written(wcs_text=lambda old: ''), PREPARE, 0,
         'No frame of sector 5, camera 2, CCD 2 has a usable WCS; the predicted pointing', has(ALL)),
    Case('frame with a wrong WCS', written(3, wcs_text=bad.shifted(5)), PREPARE, 0,
         '205942.*wrong WCS, 5.0 px from that of the other frames', has(ALL)),
    Case('all WCS 5 px off', written(wcs_text=bad.shifted(5)), PREPARE, 4,
         'The WCS of .*fits is wrong .*stars lie 5.0 px from their catalogue places'),
    Case('all WCS 3 deg off', written(wcs_text=bad.shifted(500)), PREPARE, 4,
         'catalog_sector005_camera2_ccd2.sqlite is of another part of the sky than .*_ffic.fits shows'),
    Case('header of another camera', written(3, camera=1), PREPARE, 0,
         'left out: .*205942.*header says CAMERA 1, its name says 2', has(WITHOUT_3)),
    Case('header of another CCD', written(3, ccd=1), PREPARE, 0,
         'left out: .*205942.*header says CCD 1, its name says 2', has(WITHOUT_3)),
    Case('two cadences', bad.two_cadences, PREPARE, 2,
         r'INPUT \(sector 5, camera 2, CCD 2\) mixes cadences: 3 of 600 s and 8 of 1800 s; choose one with --cadence'),
    Case('one of two cadences', bad.two_cadences, PREPARE + ' --cadence 1800', 0, '', has(ALL)),
    Case('a cadence that is not there', None, PREPARE + ' --cadence 20', 4,
         r'INPUT \(sector 5, camera 2, CCD 2\) has no FFIs of 20 s, but 8 of 1800 s; choose another --cadence'),
    Case('the same frame twice', bad.same_frame_twice, PREPARE + ' LOUD', 0,
         'INFO: .*202942.*fits.gz is passed over: .*202942.*fits is the same frame', has(ALL)),
    Case('the same time twice', bad.same_time_twice, PREPARE, 0,
         'left out: .*tess2019.*has the time of an earlier file', has(ALL)),
    Case('unsorted times', bad.unsorted_names, PREPARE, 0, '', has(ALL)),
    Case('times through float32', bad.through_float32, PREPARE, 0,
         r'INPUT \(sector 5, .*\): the times had been stored through float32 .* and were restored', has(ALL)),
    Case('truncated frame for a catalogue', frame(0, 'truncated'), CATALOG, 0, '192942.*it is truncated', fine),
    Case('no WCS for a catalogue', written(wcs_text=lambda old: ''), CATALOG, 0,
         '192942.*has no WCS; the pointing of sector 5 serves', fine),
]

CATALOGUES = [
    Case('catalogue missing', bad.gone(bad.CATALOG), PREPARE, 4,
         'INPUT has no catalog_sector005_camera2_ccd2.sqlite; make it with run_make_catalog.py 5'),
    Case('catalogue truncated', of('catalog', 'truncated'), PREPARE, 4, 'ccd2.sqlite is no usable catalogue .*malformed'),
    Case('catalogue empty', of('catalog', 'empty'), PREPARE, 4, 'ccd2.sqlite is no usable catalogue .*no table settings'),
    Case('catalogue garbage', of('catalog', 'garbage'), PREPARE, 4, 'ccd2.sqlite is no usable catalogue .*not a database'),
    Case('catalogue of another CCD', bad.catalog_of_the_other_ccd, PREPARE, 4,
         'ccd2.sqlite is no usable catalogue .it holds sector 5, camera 2, CCD 3, another one than its name says'),
    Case('catalogue with an outline elsewhere', bad.catalog_of_elsewhere, PREPARE, 4,
         'ccd2.sqlite is of another part of the sky than .* shows .*make it again'),
    Case('catalogue with stars elsewhere', lambda sector: bad.catalog_of_elsewhere(sector, False), PREPARE, 4,
         'ccd2.sqlite is of another part of the sky than .* shows .*make it again'),
    Case('list: catalogue missing', bad.gone(bad.CATALOG), TODO, 4, 'No catalogue .*ccd2.sqlite lies below', list_kept),
    Case('list: catalogue of elsewhere', bad.catalog_of_elsewhere, TODO, 4, 'is of another part of the sky', list_kept),
    Case('stars: catalogue missing', with_list(bad.gone(bad.CATALOG)), ALL_STARS, 3,
         r'[0-9]+ stars failed \(input_bad\), such as: No catalogue .*ccd2.sqlite lies below', only_other_ccd),
    Case('stars: catalogue of another CCD', with_list(bad.catalog_of_the_other_ccd), ALL_STARS, 3,
         r'stars failed \(input_bad\), such as: .*another one than its name says', only_other_ccd),
    Case('table with a formula', bad.star_table('ID', '=1+2'), MINE, 4, "mine.csv: '=1.2' in column ID is no TIC number"),
    Case('table with a command', bad.star_table('ID', '"=cmd|\' /C calc\'!A0"'), MINE, 4, 'mine.csv: .*is no TIC number'),
    Case('table with a path', bad.star_table('ID', '../../x'), MINE, 4, r"mine.csv: '\.\./\.\./x' in column ID is no TIC"),
    Case('table with SQL', bad.star_table('ID', "1'; DROP TABLE catalog;--"), MINE, 4, 'DROP TABLE.* is no TIC number'),
    Case('table with a huge number', bad.star_table('ID', '9' * 30), MINE, 4, r'1e\+30 in column ID is no TIC number'),
    Case('table with an open quote', bad.star_table('ID', '"1'), MINE, 4, 'mine.csv cannot be used: CSV parse error'),
    Case('table with a wild place', bad.star_table('ra', '1e300'), MINE, 4, r'mine.csv: ra = 1e\+300, .*is no place'),
    Case('table with a wild magnitude', bad.star_table('Tmag', '-1e300'), MINE, 0,
         'mine.csv: 1 of [0-9]+ rows left out, without a magnitude', fine),
    Case('table of elsewhere', text('mine.csv', 'ID,ra,dec,Tmag\n1,10,80,9\n'), MINE, 4,
         'mine.csv has no star on sector 5, camera 2, CCD 2; give a table of that part of the sky'),
    Case('table missing', None, MINE, 4, 'The table INPUT/mine.csv given by --catalog does not exist'),
]

LISTS = [
    Case('list missing', bad.gone('todo.sqlite'), ALL_STARS, 4, 'todo.sqlite does not exist; make it with run_make_todo.py'),
    *(Case(f'list {kind} for {command.split()[0]}', spoil, command, 4, sentence)
      for command in (ALL_STARS, TODO) for kind, spoil, sentence in (
          ('of text', text('todo.sqlite', 'milk\n'), 'todo.sqlite is not an SQLite database; move it away and run'),
          ('empty', of('todo', 'empty'), 'todo.sqlite is not an SQLite database; move it away and run'),
          ('of something else', lambda sector: bad.other_sqlite(sector.todo),
           'todo.sqlite is a database without the table todolist; name another file or move it away'),
          ('truncated', of('todo', 'truncated'), 'todo.sqlite is truncated .[0-9]+ of [0-9]+ bytes.; move it away'),
          ('a directory', lambda sector: (sector.todo.unlink(), sector.todo.mkdir()), 'todo.sqlite is no file; move it'))),
    Case('row with a path for a star', bad.sql("UPDATE todolist SET starid = '../../x' WHERE priority = 3"), ALL_STARS, 3,
         r"1 star failed \(input_bad\): Row 3: .*starid '\.\./\.\./x', which no star can have", one_failed),
    Case('row with a cube elsewhere', bad.sql("UPDATE todolist SET cube = '../x.hdf5' WHERE priority = 3"), ALL_STARS, 3,
         r"1 star failed \(input_bad\): Row 3: .*cube '../x.hdf5', which does not lie below INPUT", one_failed),
    Case('row with an unknown method', bad.sql("UPDATE todolist SET method = 'magic' WHERE priority = 3"), ALL_STARS, 3,
         r"1 star failed \(input_bad\): 'magic' is not one of aperture", one_failed),
    Case('row of a star without catalogue', bad.sql('UPDATE todolist SET starid = 77 WHERE priority = 3'), ALL_STARS, 3,
         r'1 star failed \(not_in_catalog\): TIC 77 is not in the catalogue of', one_failed),
]

STARS = [
    Case('star not in the catalogue', None, 'tessphot INPUT --starid 77', 4, 'TIC 77 is in no catalogue below INPUT'),
    Case('the same without a list', None, ONE + ' 77', 4,
         r'1 star failed \(not_in_catalog\): TIC 77 is not in the catalogue of sector 5, camera 2, CCD 2; make'),
    Case('star off silicon', None, 'tessphot INPUT --starid OFF', 4,
         'the star is in a catalogue, but off silicon, excluded or fainter than the limit; add it'),
    Case('the same without a list', None, ONE + ' OFF', 4,
         r'1 star failed \(off_silicon\): TIC .* lies at row .*, column .*, outside the pixels of'),
    Case('targets nowhere', text('mine.txt', '77\n'), TODO + ' --targets INPUT/mine.txt', 4,
         '1 target is in no catalogue or on no pixel with data: TIC 77; check the list'),
    Case('no star so bright', None, TODO + ' --faint-limit -5', 4,
         'None of the [0-9]+ stars on the cubes below INPUT is brighter than Tmag -5 .*raise --faint-limit'),
    Case('pixels behind a link', with_list(bad.external_link), ALL_STARS, 3,
         r'stars failed \(input_bad\), such as: .*ccd2.hdf5 is no usable cube: images is missing or a link', only_other_ccd),
    Case('cube truncated', with_list(of('cube', 'truncated')), ALL_STARS, 3,
         r'stars failed \(input_bad\), such as: .*ccd2.hdf5 is no usable cube: .*truncated', only_other_ccd),
    Case('cube missing', with_list(bad.gone(CUBE)), ALL_STARS, 3,
         r'stars failed \(input_bad\), such as: The cube .*ccd2.hdf5 does not exist; run', only_other_ccd),
    *(Case(f'list: cube {kind}', of('cube', kind), TODO, 4, 'ccd2.hdf5 is no usable cube: .*make it again', list_kept)
      for kind in ('truncated', 'empty', 'garbage')),
    Case('list: pixels behind a link', bad.external_link, TODO, 4, 'ccd2.hdf5 is no usable cube: images .* a link', list_kept),
    Case('cube with a flipped byte', bad.flipped_block, 'prepare INPUT KEEP', 4,
         r'ccd2.hdf5 is damaged \(images, cadences 0 to 7\); make it again with --overwrite'),
    Case('light curves vanished', lambda sector: shutil.rmtree(sector.folder / 'lightcurves'), ALL_STARS, 0,
         '80 of the first 80 light curves listed in .*todo.sqlite are not in INPUT/lightcurves; .*--overwrite', fine),
    Case('a file in the way', both(bad.all_wait, lambda sector: shutil.rmtree(sector.folder / 'lightcurves'),
                                   text('lightcurves', 'x')), ALL_STARS, 4,
         'Cannot write INPUT/lightcurves: a file of that name is in the way; move it away'),
    Case('output below a file', text('file', 'x'), ALL_STARS + ' --output INPUT/file/out', 4,
         'Cannot write INPUT/file/out: a part of the path is a file'),
]

EVERYWHERE = [CATALOG, PREPARE, TODO, ALL_STARS]
ANYWHERE = [
    *(Case(f'no such INPUT: {command.split()[0]}', None, command.replace('INPUT', 'INPUT/none', 1), 4,
           'The input directory INPUT/none does not exist; name an existing one') for command in EVERYWHERE),
    *(Case(f'unknown key: {command.split()[0]}', text('mine.toml', '[aperture]\nmaks = 1\n'),
           command + ' --settings INPUT/mine.toml', 2,
           "mine.toml: unknown key aperture.maks; the nearest known one is 'mask'") for command in EVERYWHERE),
    *(Case(f'settings with {what}', text('mine.toml', content), ALL_STARS + ' --settings INPUT/mine.toml', 2,
           'mine.toml.*' + sentence) for what, content, sentence in (
        ('an unknown section', '[apertur]\nx = 1\n', "unknown section .apertur.; the nearest known one is 'aperture'"),
        ('an unknown word', '[lightcurve]\nlayout = "x"\n', "layout = 'x' is unknown; known are tessphot, tasoc"),
        ('a number out of range', '[prepare]\nmesh = 0\n', 'mesh = 0 is not between 8 and 2048'),
        ('a nested bomb', 'a = ' + '[\n' * 20000, 'not valid TOML'),
        ('a dotted bomb', 'a' + '.a' * 30000 + ' = 1\n', 'a line is longer than 1000 characters'),
        ('a long bomb', '#\n' * 50000, 'larger than 64 kB'))),
]


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Two CCDs that went through all programs."""
    return bad.make(tmp_path_factory.mktemp('whole'))


@pytest.fixture
def sector(whole, tmp_path, monkeypatch):
    """A copy of it that a test may spoil."""
    for name in ('TESSPHOT_INPUT', 'TESSPHOT_OUTPUT', 'TESSPHOT_TODO', 'SOURCE_DATE_EPOCH'):
        monkeypatch.delenv(name, raising=False)
    return bad.copy(whole, tmp_path / 'INPUT')


def ready(sector, command):
    """Words of a command; prepare has lost the cube of one CCD, unless told to keep it."""
    if command.startswith('prepare') and 'KEEP' not in command:
        sector.cube.unlink()
    text = command.replace('INPUT', str(sector.folder)).replace('OFF', str(bad.off_silicon(sector)))
    name, *words = text.replace(' KEEP', '').split()
    return name, [word for word in words if word != 'LOUD'] + ([] if 'LOUD' in words else ['-q'])


def said(sector, captured):
    """Lines on standard error, the directory by the name INPUT."""
    return captured.replace(str(sector.folder), 'INPUT').splitlines()


@pytest.mark.parametrize('case', [*FRAMES, *CATALOGUES, *LISTS, *STARS, *ANYWHERE], ids=lambda case: case.what)
def test_one_sentence_and_the_rest_unharmed(sector, case, capsys):
    name, words = ready(sector, case.command)
    if case.spoil:
        case.spoil(sector)
    before = bad.contents(sector.folder)
    assert bad.PROGRAMS[name].main(words) == case.code
    lines = said(sector, capsys.readouterr().err)
    if '-q' in words:
        assert len(lines) == bool(case.sentence), lines
    assert not case.sentence or any(re.search(case.sentence, line) for line in lines), lines
    bad.check_unharmed(before, sector.folder, case.code != 0 and case.then is None)
    if case.then:
        case.then(sector)


def test_every_frame_of_a_ccd_is_named(sector, capsys):
    name, words = ready(sector, PREPARE)
    bad.all_frames('truncated')(sector)
    assert bad.PROGRAMS[name].main(words) == 4
    *frames, last = said(sector, capsys.readouterr().err)
    assert len(frames) == bad.FRAMES and all('it is truncated' in line for line in frames)
    assert 'None of the 8 FFIs of sector 5, camera 2, CCD 2 in INPUT can be used' in last


def test_other_ccd_is_made_all_the_same(sector, capsys):
    name, words = ready(sector, PREPARE)
    (sector.folder / bad.OTHER_CUBE).unlink()
    bad.all_frames('empty')(sector)
    assert bad.PROGRAMS[name].main(words) == 4 and frames_in(sector.folder / bad.OTHER_CUBE) == [0, 1, 2]
    (sector.folder / OTHER_CATALOG).unlink()


def test_stars_on_columns_without_data(sector, capsys):
    bad.columns_without_data(sector)
    name, words = ready(sector, PREPARE + ' --ccd 2')
    assert bad.PROGRAMS[name].main(words) == 0
    sector.todo.unlink()
    assert bad.PROGRAMS['make_todo'].main([str(sector.folder)]) == 0
    lost = re.search(r'without data +(\d+)', capsys.readouterr().out)
    assert int(lost[1]) > 3
    star = bad.star_without_data(sector)
    name, words = ready(sector, f'{ONE} {star}')
    code = bad.PROGRAMS[name].main([*words, '--method', 'aperture'])
    line, = said(sector, capsys.readouterr().err)
    assert code == 3 and f'1 star failed (no_flux): TIC {star}: no pixel that can be used' in line
    assert bad.PROGRAMS[name].main(words) == 0  # the wings that are seen are fitted, with a remark
    assert re.search(f'TIC {star}: warning, .* Only . % of its light', capsys.readouterr().out)


# Disks

WRITERS = [CATALOG, PREPARE, TODO + ' --overwrite', ALL_STARS]
WRITER = pytest.mark.parametrize('command', WRITERS, ids=lambda command: command.split()[0])


@WRITER
def test_read_only_directory(sector, command, capsys):
    name, words = ready(sector, command)
    bad.all_wait(sector)
    before = bad.contents(sector.folder)
    with bad.read_only(sector.folder) as done:
        if not done:
            pytest.skip('neither mounting nor chattr is permitted here')
        assert bad.PROGRAMS[name].main(words) == 4
    line, = said(sector, capsys.readouterr().err)
    assert re.search('Cannot write .*INPUT.*(;|check)', line)
    bad.check_unharmed(before, sector.folder)


@WRITER
def test_full_disk(whole, tmp_path, command, capsys):
    with bad.small_disk(tmp_path / 'INPUT') as done:
        if not done:
            pytest.skip('mounting is not permitted here; test_no_room_for_the_file holds the same')
        sector = bad.copy(whole, tmp_path / 'INPUT')
        name, words = ready(sector, command)
        bad.all_wait(sector)
        bad.fill(sector.folder)
        before = bad.contents(sector.folder)
        assert bad.PROGRAMS[name].main(words) == 4
        line, = said(sector, capsys.readouterr().err)
        assert re.search('Cannot write .*INPUT.*free some space', line)
        bad.check_unharmed(before, sector.folder)
        (sector.folder / 'ballast').unlink()
        assert bad.PROGRAMS[name].main(words) == 0 and not capsys.readouterr().err


def test_disk_that_others_fill_while_a_cube_is_written(whole, tmp_path, monkeypatch, capsys):
    from photometry.files.cube_writer import CubeWriter
    with bad.small_disk(tmp_path / 'INPUT') as done:
        if not done:
            pytest.skip('mounting is not permitted here')
        sector = bad.copy(whole, tmp_path / 'INPUT')
        name, words = ready(sector, PREPARE)
        write = CubeWriter.write_block
        monkeypatch.setattr(CubeWriter, 'write_block',
                            lambda *given: (bad.fill(sector.folder), write(*given))[1])
        code = bad.PROGRAMS[name].main(words)
        said_so = capsys.readouterr().err
        if code == 0:  # the space was taken before
            bad.check_unharmed({}, sector.folder, failed=False)
            assert not said_so
        else:
            assert 'the disk is full' in said_so and not sector.cube.exists()


@WRITER
def test_no_room_for_the_file(sector, command, capsys):
    """As a user meets it: the script in a process that may write small files only."""
    name, words = ready(sector, command)
    bad.all_wait(sector)
    before = bad.contents(sector.folder)
    done = script(name, words, limit=12000)
    assert done.returncode in (4, 75) and 'Traceback' not in done.stderr
    line, = said(sector, done.stderr)
    assert re.search('Cannot write .*INPUT/', line)
    bad.check_unharmed(before, sector.folder)
    assert bad.PROGRAMS[name].main(words) == 0 and not capsys.readouterr().err


def script(name, words, limit):
    """Run a program as people do, its files held to some bytes."""
    names = {'prepare': 'prepare_photometry'}
    return subprocess.run([sys.executable, ROOT / f'run_{names.get(name, name)}.py', *words], text=True,
                          capture_output=True, check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
