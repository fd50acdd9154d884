"""A small sector that went through all programs, and the ways in which files of it go bad."""

import contextlib
import gzip
import os
import shutil
import sqlite3
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from stages import small_sector

from photometry.core.stamp import Stamp
from photometry.files import catalog, cube, paths, truth, wcs
from photometry.programs import make_catalog, make_todo, prepare_photometry, tessphot
from photometry.simulation.plan import SectorPlan
from photometry.stages.simulate import catalogue

PROGRAMS = {'make_catalog': make_catalog, 'prepare': prepare_photometry, 'make_todo': make_todo,
            'tessphot': tessphot}
FRAMES = 8
CUBE, OTHER_CUBE = (paths.cube_name(5, 2, ccd) for ccd in (2, 3))
CATALOG, OTHER_CATALOG = (paths.catalog_name(5, 2, ccd) for ccd in (2, 3))


@dataclass
class Sector:
    """Files that a test may spoil, and the simulation that they came from."""

    folder: Path
    made: object

    @property
    def ffis(self):
        """FFIs of the CCD in order of time."""
        return sorted(self.folder.glob('*-2-2-*_ffic.fits'))

    @property
    def cube(self):
        return self.folder / CUBE

    @property
    def catalog(self):
        return self.folder / CATALOG

    @property
    def todo(self):
        return self.folder / 'todo.sqlite'

    @property
    def table(self):
        return self.folder / 'stars.ecsv'


def make(folder):
    """Two CCDs of a sector through the pipeline; the second one is nobody's victim."""
    made, _ = small_sector.make(folder, small_sector.plan(size=64, frames=FRAMES, number=40))
    truth.write_stars(folder / 'stars.ecsv', catalogue(made))
    other = SectorPlan(seed=2, ccd=3, frames=3, stamp=Stamp(0, 48, 44, 92), number=20, background='quiet',
                       faults=False, gap=False, faint=14.0, bright=8.0)
    small_sector.make(folder, other)
    for program, words in ((prepare_photometry, []), (make_todo, []), (tessphot, ['--all'])):
        assert program.main([str(folder), '-q', *words]) == 0
    return Sector(folder, made)


def copy(sector, folder):
    """The same files somewhere else."""
    return Sector(shutil.copytree(sector.folder, folder, dirs_exist_ok=True), sector.made)


@contextlib.contextmanager
def changed(path):
    """An SQLite file, open for changes."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        yield database


# Damage to any file

def damage(path, kind):
    """Spoil the bytes of a file."""
    content = bytearray(path.read_bytes())
    if kind == 'bit-flipped':
        content[len(content) // 3] ^= 1
    path.write_bytes({'truncated': content[:len(content) // 2], 'empty': b'', 'bit-flipped': content,
                      'garbage': np.random.default_rng(1).bytes(5000)}[kind])


# Damage to frames

def frame(number, kind):
    """One FFI is damaged."""
    return lambda sector: damage(sector.ffis[number], kind)


def all_frames(kind):
    """All FFIs of the CCD are damaged."""
    def spoil(sector):
        for path in sector.ffis:
            damage(path, kind)
    return spoil


def written(*numbers, **changes):
    """Some FFIs are written anew, with other pixels, WCS or facts."""
    def spoil(sector):
        for number in numbers or range(FRAMES):
            path = sector.ffis[number]
            small_sector.write_frame(sector.folder, sector.made, number, **changes).replace(path)
    return spoil


def shifted(pixels):
    """A change of a WCS by some columns."""
    def change(text):
        made = wcs.wcs_from_text(text)
        made.wcs.crpix = made.wcs.crpix + [pixels, 0]
        return wcs.wcs_to_text(made)
    return change


def two_cadences(sector):
    """Some frames of 600 s beside those of 1800 s."""
    start = sector.made.schedule.start[0] + 30
    for number in range(3):
        small_sector.write_frame(
            sector.folder, sector.made, number, cadence=600, cadenceno=40000 + number,
            start=start + number / 144, stop=start + (number + 1) / 144)


def same_frame_twice(sector):
    """A frame as .fits and as .fits.gz."""
    path = sector.ffis[2]
    path.with_name(path.name + '.gz').write_bytes(gzip.compress(path.read_bytes()))


def same_time_twice(sector):
    """The same frame under another name."""
    path = sector.ffis[2]
    shutil.copy(path, path.with_name('tess2019' + path.name[8:]))


def unsorted_names(sector):
    """Names that sort otherwise than the times."""
    first, last = sector.ffis[0], sector.ffis[-1]
    first.rename(sector.folder / 'spare')
    last.rename(first)
    (sector.folder / 'spare').rename(last)


def through_float32(sector):
    """Times that lost their digits, all frames alike."""
    for path in sector.ffis:
        with fits.open(path, mode='update') as hdus:
            for name in ('TSTART', 'TSTOP'):
                hdus[1].header[name] = float(np.float32(hdus[1].header[name]))


def columns_without_data(sector):
    """Ten columns of all frames are NaN."""
    def blank(image):
        image[:, 20:30] = np.nan
        return image
    written(change=blank)(sector)


# Damage to catalogues

def catalog_of_the_other_ccd(sector):
    """A catalogue under the name of another CCD."""
    shutil.copy(sector.folder / OTHER_CATALOG, sector.catalog)


def catalog_of_elsewhere(sector, outline=True):
    """A catalogue that says it is of this CCD and holds stars of another part of the sky."""
    made = catalog.read_catalog(sector.catalog)
    stars = made.stars.copy()
    for name in ('decl', 'decl_J2000'):
        stars[name] = -stars[name]
    corners = np.array([(stars['ra'][pick(stars['ra'])], stars['decl'][other(stars['decl'])])
                        for pick, other in ((np.argmin, np.argmin), (np.argmax, np.argmin),
                                            (np.argmax, np.argmax), (np.argmin, np.argmax))])
    text = catalog.footprint_text([corners]) if outline else ''
    catalog.write_catalog(sector.catalog, catalog.CatalogInfo(5, 2, 2, footprint=text), stars, overwrite=True)


# Damage to databases

def other_sqlite(path):
    """A database of something else."""
    path.unlink(missing_ok=True)
    with changed(path) as database:
        database.execute('CREATE TABLE recipes (name TEXT)')


def gone(name):
    """A file is missing."""
    return lambda sector: (sector.folder / name).unlink()


# Damage to cubes

def external_link(sector):
    """The pixels of a cube are a link into another file."""
    import h5py
    with h5py.File(sector.cube, 'r+') as file:
        file.move('images', 'away')
        file['images'] = h5py.ExternalLink('/etc/passwd', 'images')


def flipped_block(sector):
    """One byte within the pixels of a cube is another."""
    import h5py
    with h5py.File(sector.cube, 'r') as file:
        place = file['images'].id.get_chunk_info(0).byte_offset
    with open(sector.cube, 'r+b') as stream:
        stream.seek(place + 4003)
        byte = stream.read(1)
        stream.seek(place + 4003)
        stream.write(bytes([byte[0] ^ 0x40]))


# What must stand after whatever happened

_COMES_AND_GOES = ('.owner', '-wal', 'summary.json', '.journal', '.work', 'ballast')


def contents(folder):
    """What every file below a directory holds, by relative name: bytes, or the rows of a database."""
    return {path.relative_to(folder).as_posix(): _content(path)
            for path in sorted(folder.rglob('*')) if path.is_file()}


def _content(path):
    if path.suffix == '.sqlite':
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(
                f'{path.as_uri()}?mode=ro&immutable=1', uri=True)) as database:
            return [line for line in database.iterdump() if not line.startswith('INSERT INTO "settings"')]
    return path.read_bytes()


def check_unharmed(before, folder, failed=True):
    """Earlier results stand, and whatever is new is whole."""
    after = contents(folder)
    assert not [name for name in after if name.endswith('.tmp') or '.probe' in name]
    new = {name for name in after if after[name] != before.get(name)}
    if failed:
        assert not {name for name in new | before.keys() - after.keys() if not name.endswith(_COMES_AND_GOES)}
    for name in new:
        if name.endswith('.sqlite'):
            with contextlib.closing(sqlite3.connect(folder / name)) as database:
                assert database.execute('PRAGMA integrity_check').fetchone() == ('ok',)
        elif name.endswith('.hdf5'):
            with cube.CubeFile(folder / name) as made:
                assert not made.verify_blocks()


def frames_in(path):
    """Cadences of a cube, counted from its first."""
    with cube.CubeFile(path) as made:
        return (made.cadenceno - made.cadenceno[0]).tolist()


def statuses(sector):
    """Number of stars by CCD and status."""
    with changed(sector.todo) as database:
        return {(ccd, status): number for ccd, status, number in database.execute(
            'SELECT ccd, status, count(*) FROM todolist GROUP BY ccd, status')}


def _column(path, statement):
    with contextlib.closing(sqlite3.connect(path)) as database:
        return {value for value, in database.execute(statement)}


def off_silicon(sector):
    """A star that is in the catalogue and not in the list."""
    if not (sector.todo.is_file() and sector.catalog.is_file()):
        return 0
    return min(_column(sector.catalog, 'SELECT starid FROM catalog')
               - _column(sector.todo, 'SELECT starid FROM todolist'))


def star_without_data(sector):
    """A star on the columns without data."""
    stars = sector.made.stars
    column = stars['column'] - 44
    listed = _column(sector.todo, 'SELECT starid FROM todolist')
    chosen = [int(star) for star, place, row in zip(stars['starid'], column, stars['row'], strict=True)
              if 21 < place < 28 and 0 < row < 63]
    assert chosen and not set(chosen) & listed
    return chosen[0]


def all_wait(sector):
    """Every star waits again."""
    with changed(sector.todo) as database:
        database.execute('UPDATE todolist SET status = NULL, attempts = 0')
        database.execute('DELETE FROM diagnostics')


def sql(statement):
    """All stars wait, and somebody changed the list by hand."""
    def spoil(sector):
        all_wait(sector)
        with changed(sector.todo) as database:
            database.execute(statement)
    return spoil


# Tables of stars and other text

def star_table(column, value):
    """A CSV table of the stars with one value that is not as it should be."""
    def spoil(sector):
        from astropy.table import Table
        made = Table.read(sector.table, format='ascii.ecsv')
        rows = [[str(row[name]) for name in made.colnames] for row in made]
        rows[3][made.colnames.index(column)] = value
        text = '\n'.join(','.join(row) for row in [made.colnames, *rows])
        (sector.folder / 'mine.csv').write_text(text + '\n')
    return spoil


def text(name, content):
    """A file with this text."""
    return lambda sector: (sector.folder / name).write_text(content)


# Disks

def _remounted(folder):
    """Mount a mounted directory again, to read only; refused while a file is being written there."""
    for _ in range(100):
        if not _command('mount', '-o', 'remount,ro,bind', folder):
            return True
        time.sleep(0.01)
    return False


@contextlib.contextmanager
def read_only(folder):
    """The directory cannot be written, by whatever means this system permits; False when by none."""
    if os.geteuid():
        folder.chmod(0o555)
        undo = lambda: folder.chmod(0o755)  # noqa: E731
    elif not _command('mount', '--bind', folder, folder):
        undo = lambda: _command('umount', '--lazy', folder)  # noqa: E731
        if not _remounted(folder):
            undo()
            undo = None
    elif not _command('chattr', '+i', folder):
        undo = lambda: _command('chattr', '-i', folder)  # noqa: E731
    else:
        undo = None
    try:
        yield undo is not None
    finally:
        if undo:
            undo()


@contextlib.contextmanager
def small_disk(folder, size='16m'):
    """A disk of its own for a directory; False where mounting is not permitted."""
    folder.mkdir()
    mounted = not os.geteuid() and not _command('mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', folder)
    try:
        yield mounted
    finally:
        if mounted:
            _command('umount', folder)


def fill(folder):
    """Leave no byte free."""
    handle = os.open(folder / 'ballast', os.O_WRONLY | os.O_CREAT)
    try:
        with contextlib.suppress(OSError):
            while os.write(handle, bytes(4096)) == 4096:
                pass
    finally:
        os.close(handle)


def _command(*words):
    try:
        return subprocess.run([str(word) for word in words], capture_output=True, check=False).returncode
    except FileNotFoundError:
        return 127
