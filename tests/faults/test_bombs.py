"""Small files that would take all memory or time: refused in a sentence before they can."""

import json
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import bomb_squad
import h5py
import numpy as np
import pytest

WAS_HERE = Path(tempfile.gettempdir()) / f'bomb-{os.getpid()}'
FFI = 'tess2018319095959-s0005-2-2-0125-s_ffic.fits'
TICA = 'hlsp_tica_tess_ffi_s0035-o1-00603721-cam1-ccd1_tess_v01_img.fits'


def card(text):
    return text.ljust(80).encode()


def header(*cards):
    content = b''.join(map(card, (*cards, 'END')))
    return content + b' ' * (-len(content) % 2880)


EMPTY = ('SIMPLE  =                    T', 'BITPIX  =                    8', 'NAXIS   =                    0')
PRIMARY = header(*EMPTY)


def image(rows, columns):
    return header("XTENSION= 'IMAGE   '", 'BITPIX  =                  -32', 'NAXIS   =                    2',
                  f'NAXIS1  = {columns:20d}', f'NAXIS2  = {rows:20d}', 'PCOUNT  =                    0',
                  'GCOUNT  =                    1')


def many_cards(path):
    path.write_bytes(header(*EMPTY, *['COMMENT x'] * 200_000))


def huge_axes(path):
    path.write_bytes(PRIMARY + image(200_000, 400_000))


def huge_primary(path):
    path.write_bytes(header('SIMPLE  =                    T', 'BITPIX  =                  -32',
                            'NAXIS   =                    2', f'NAXIS1  = {400_000:20d}',
                            f'NAXIS2  = {200_000:20d}'))


def zeros(path, start, number):
    """A gzip file of zeros, a thousand times larger inside."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    with open(path, 'wb') as stream:
        stream.write(packer.compress(start))
        for _ in range(number):
            stream.write(packer.compress(bytes(1 << 20)))
        stream.write(packer.flush())


def gz_image(path):
    zeros(path, PRIMARY + image(2078, 2136), 600)


def gz_header(path):
    zeros(path, b'SIMPLE  =                    T'.ljust(80), 600)


def gz_table(path):
    zeros(path, b'ID,ra,dec,Tmag\n', 600)


def cube_of(make):
    """A bomb whose dataset ``images`` is made by a function."""
    def write(path):
        with h5py.File(path, 'w') as file:
            file.attrs['schema'] = '1.0'
            file.attrs['finished'] = True
            make(file)
    write.__name__ = make.__name__
    return write


def external_storage(file):
    file.create_dataset('images', (64, 64, 64), 'f4', external=[('/etc/passwd', 0, h5py.h5f.UNLIMITED)])


def external_link(file):
    file['images'] = h5py.ExternalLink('/etc/passwd', '/images')


def soft_loop(file):
    file['images'] = h5py.SoftLink('/images')


def virtual(file):
    layout = h5py.VirtualLayout((64, 64, 64), 'f4')
    layout[:] = h5py.VirtualSource('/dev/shm/other.hdf5', 'images', (64, 64, 64))
    file.create_virtual_dataset('images', layout)


def huge_dataset(file):
    file.create_dataset('images', (10 ** 6, 10 ** 6, 10 ** 3), 'f4', chunks=(16, 16, 64), compression='gzip')


def objects(path):
    np.save(path, np.array([Exploding()], dtype=object), allow_pickle=True)


class Exploding:
    """Pickled code that would run when loaded."""

    def __reduce__(self):
        return Path.touch, (WAS_HERE,)


def dotted_key(path):
    path.write_text('a' + '.a' * 20_000 + ' = 1\n')


def dotted_keys(path):
    path.write_text(''.join(f'a.b{number} = 1\n' for number in range(20_000)))


def nested(path):
    path.write_text('a = ' + '[\n' * 100_000)


def nested_on_a_line(path):
    path.write_text('a = ' + '[' * 900)


def long_number(path):
    path.write_text('[aperture]\nstamp_growth = ' + '9' * 900 + '\n')


BOMBS = [
    ('settings', 'a.toml', dotted_key), ('settings', 'b.toml', dotted_keys), ('settings', 'c.toml', nested),
    ('settings', 'd.toml', nested_on_a_line), ('settings', 'e.toml', long_number),
    ('ffi header', FFI, many_cards), ('ffi', FFI, many_cards), ('ffi header', FFI, huge_axes),
    ('ffi', FFI, huge_axes), ('ffi', FFI + '.gz', gz_image), ('ffi header', FFI + '.gz', gz_header),
    ('frame', TICA, many_cards), ('frame', TICA, huge_primary), ('frame', TICA + '.gz', gz_header),
    ('tesscut', 'x_astrocut.fits', huge_axes), ('tesscut', 'x_astrocut.fits.gz', gz_image),
    ('light curve', 'x_lc.fits', many_cards), ('light curve', 'x_lc.fits', huge_axes),
    ('light curve', 'x_lc.fits.gz', gz_image), ('light curve', 'x_lc.fits.gz', gz_header),
    ('stars', 'x.csv.gz', gz_table), ('stars', 'x.npy', objects), ('catalogue', 'x.sqlite', objects),
    ('cube', 'a.hdf5', cube_of(external_storage)), ('cube', 'b.hdf5', cube_of(external_link)),
    ('cube', 'c.hdf5', cube_of(soft_loop)), ('cube', 'd.hdf5', cube_of(virtual)),
    ('cube', 'e.hdf5', cube_of(huge_dataset)), ('cube', 'f.hdf5', objects),
]


@pytest.fixture(scope='module')
def told(tmp_path_factory):
    """What became of each: (sentence, seconds, MB)."""
    words = []
    for kind, name, write in BOMBS:
        path = tmp_path_factory.mktemp('bomb') / name
        write(path)
        words += [kind, path]
    done = subprocess.run([sys.executable, bomb_squad.__file__, *words], stdout=subprocess.PIPE, text=True,
                          check=True, timeout=300)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize('number', range(len(BOMBS)),
                         ids=[f'{name}-{write.__name__}' for _, name, write in BOMBS])
def test_refused_in_a_sentence(told, figures, number):
    """Row 22."""
    said, seconds, megabytes = told[number]
    figures |= {'seconds': round(seconds, 2), 'MB': round(megabytes)}
    assert said and BOMBS[number][1] in said and len(said) < 500, said
    assert seconds < 2 and megabytes < 200


def test_nothing_was_run(told):
    assert not WAS_HERE.exists()
