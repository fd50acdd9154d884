"""Catalogues and cubes by several processes that share the CCDs, each in a process of its own."""

import hashlib
import signal
import subprocess
import sys
import time

import h5py
import mpi_jobs
import pytest
import small_sector

PREPARE = mpi_jobs.ROOT / 'run_prepare_photometry.py'
CATALOG = mpi_jobs.ROOT / 'run_make_catalog.py'
CUBES = [f'sector005_camera2_ccd{ccd}.hdf5' for ccd in (1, 2, 3)]
FRAMES = 8


@pytest.fixture
def folder(tmp_path):
    """FFIs of a corner of three CCDs, those of the first unreadable, and the catalogue of each."""
    for ccd in (1, 2, 3):
        small_sector.make(tmp_path, small_sector.plan(size=48, frames=FRAMES, number=30, ccd=ccd))
    for path in tmp_path.glob('*-2-1-*_ffic.fits'):
        path.write_bytes(b'nothing')
    return tmp_path


def cubes(folder):
    """Digests of what the pixels became, by name."""
    found = {}
    for path in folder.glob('*.hdf5'):
        with h5py.File(path) as file:
            layers = b''.join(file[name][...].tobytes() for name in ('images', 'sumimage', 'movement_kernel'))
        found[path.name] = hashlib.sha256(layers).hexdigest()
    return found


def prepare(folder, *words):
    return subprocess.Popen([sys.executable, PREPARE, folder, *words], text=True, stderr=subprocess.PIPE)


def test_ranks_share_the_ccds_and_a_bad_one_costs_nobody(folder):
    code, _, said = mpi_jobs.run(2, PREPARE, folder)
    assert code == 4 and 'None of the 8 FFIs of sector 5, camera 2, CCD 1' in said
    made = cubes(folder)
    assert sorted(made) == CUBES[1:]
    for path in folder.glob('*.hdf5'):
        path.unlink()
    parts = [prepare(folder, '--part', f'{number}/2') for number in (1, 2)]
    said = [part.communicate(timeout=100)[1] for part in parts]
    assert [part.returncode for part in parts] == [4, 0], said
    assert cubes(folder) == made
    assert not [path for path in folder.iterdir() if path.suffix in ('.work', '.journal', '.owner')]


def test_more_processes_than_ccds(folder):
    last = prepare(folder, '--part', '5/5')
    assert 'nothing is left for number 5' in last.communicate(timeout=60)[1] and last.returncode == 0


def test_no_two_writers_on_a_cube(folder):
    words = '--ccd', '2', '--overwrite'
    first = prepare(folder, *words)
    owner = folder / f'{CUBES[1]}.journal.owner'
    until = time.monotonic() + 60
    while not (owner.exists() and owner.read_text()):
        assert first.poll() is None and time.monotonic() < until
        time.sleep(0.002)
    first.send_signal(signal.SIGSTOP)  # it holds the cube while the second one tries
    try:
        second = prepare(folder, *words)
        said = second.communicate(timeout=60)[1]
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.returncode == 2
    assert f'is in use by another run (process {first.pid} on ' in said and 'wait for its end' in said
    first.communicate(timeout=60)
    assert first.returncode == 0 and list(cubes(folder)) == [CUBES[1]]
    assert not owner.exists()


def test_catalogues_of_ranks_are_those_of_one_process(tmp_path):
    table = tmp_path / 'stars.csv'
    table.write_text('starid,ra,decl,tmag\n1,66.0,-30.0,10.0\n')
    made = []
    for number, words in (('one', ()), ('parts', ())):
        folder = tmp_path / number
        folder.mkdir()
        place = (CATALOG, '5', folder, '--catalog', table, '--camera', '2', '--buffer', '20', *words)
        if number == 'one':
            subprocess.run([sys.executable, *map(str, place)], check=True, timeout=100)
        else:
            assert mpi_jobs.run(2, *place)[0] == 0
        made.append(sorted(path.name for path in folder.iterdir()))
    assert made[0] == made[1] and len(made[0]) == 4
