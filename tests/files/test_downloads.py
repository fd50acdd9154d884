"""Files from the network: cut off, changed meanwhile, damaged, killed, fetched twice at once."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from http_stub import PAGE, Reply, ranged

from photometry.core.errors import ArchiveError, DrainedError, InputBadError, InputMissingError, OutputError
from photometry.files import downloads, fits_checks
from photometry.files.web import Web

INPUT = Path(__file__).parents[1] / 'input'
FFI = next((INPUT / 'ffic').glob('*.fits'))
BODY = FFI.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'deep' / 'a_ffic.fits'


def web(**changes):
    return Web(**{'timeout': 5.0, 'attempts': 3, 'pause': 0.001} | changes)


def fetch(stub, path, *names, made=None, verify=fits_checks.check_whole, **words):
    urls = [stub.url + name for name in names or ('/f',)]
    return downloads.download(made or web(), urls, path, verify, **words)


def hidden(path):
    return sorted(item.name for item in path.parent.iterdir() if item.name != path.name)


def test_a_file_comes_whole(stub, path):
    stub.routes['/f'] = ranged(BODY)
    assert fetch(stub, path) == len(BODY)
    assert path.read_bytes() == BODY and hidden(path) == []
    assert stub.asked()[0].headers['Accept-Encoding'] == 'identity'


def test_what_was_cut_off_is_continued(stub, path):
    whole = ranged(BODY)
    stub.routes['/f'] = [Reply(BODY, headers={'ETag': '"one"'}, cut=100_000), whole]
    assert fetch(stub, path) == len(BODY) - 100_000
    assert path.read_bytes() == BODY and hidden(path) == []
    second = stub.asked()[1]
    assert (second.headers['Range'], second.headers['If-Range']) == ('bytes=100000-', '"one"')


@pytest.mark.parametrize('headers', [{}, {'ETag': 'W/"one"'}, {'ETag': 'one'}])
def test_without_a_sign_of_its_version_a_file_begins_anew(stub, path, headers):
    stub.routes['/f'] = [Reply(BODY, headers=headers, cut=100_000), Reply(BODY)]
    fetch(stub, path)
    assert path.read_bytes() == BODY and stub.asked()[1].headers.get('Range') is None


def test_a_date_will_do(stub, path):
    date = 'Fri, 27 Jul 2018 10:00:00 GMT'
    stub.routes['/f'] = [Reply(BODY, headers={'Last-Modified': date}, cut=100_000), ranged(BODY, date)]
    fetch(stub, path)
    assert path.read_bytes() == BODY and stub.asked()[1].headers['If-Range'] == date


def test_a_file_that_changed_is_not_glued(stub, path):
    other = bytearray(BODY)
    other[-3000] ^= 255
    stub.routes['/f'] = [Reply(BODY, headers={'ETag': '"one"'}, cut=100_000), ranged(bytes(other), '"two"')]
    fetch(stub, path, verify=lambda _: None)
    assert path.read_bytes() == other


@pytest.mark.parametrize('middle', [
    Reply(b'', 416), Reply(BODY[:50], 206, {'Content-Range': 'bytes 7-56/192960'}), Reply(BODY[:50], 206),
    Reply(BODY[100_000:], 206, {'Content-Range': f'bytes 100000-{len(BODY) + 6}/{len(BODY) + 7}'})])
def test_false_rests_are_not_used(stub, path, middle):
    stub.routes['/f'] = [Reply(BODY, headers={'ETag': '"one"'}, cut=100_000), middle, ranged(BODY)]
    fetch(stub, path)
    assert path.read_bytes() == BODY and hidden(path) == []


def test_damage_is_found_and_asked_for_again(stub, path):
    bad = bytearray(BODY)
    bad[60_000] ^= 1
    stub.routes['/f'] = [Reply(bytes(bad)), Reply(BODY[:90_000], length=False), ranged(BODY)]
    fetch(stub, path)
    assert path.read_bytes() == BODY and len(stub.asked()) == 3
    stub.routes['/f'] = Reply(bytes(bad))
    path.unlink()
    with pytest.raises(ArchiveError, match='what it sent is damaged .*DATASUM of HDU 1'):
        fetch(stub, path)
    assert not path.exists() and hidden(path) == []


def test_a_page_instead_of_a_file(stub, path):
    stub.routes['/f'] = Reply(PAGE)
    with pytest.raises(ArchiveError, match='what it sent is damaged .it is'):
        fetch(stub, path)
    assert not path.exists() and hidden(path) == []


def test_the_next_place_is_asked(stub, path):
    stub.routes |= {'/f': Reply(b'', 500), '/g': ranged(BODY)}
    assert fetch(stub, path, '/none', '/f', '/g') == len(BODY)
    assert [request.path for request in stub.asked()] == ['/none', '/f', '/f', '/f', '/g']
    with pytest.raises(ArchiveError, match='/f is of no use'):
        fetch(stub, path.with_name('b'), '/none', '/f')


def test_a_part_of_one_place_is_not_continued_at_another(stub, path):
    stub.routes |= {'/f': Reply(BODY, headers={'ETag': '"one"'}, cut=100_000), '/g': ranged(BODY)}
    made = web(attempts=1)
    assert fetch(stub, path, '/f', '/g', made=made) == len(BODY)
    assert stub.asked()[1].headers.get('Range') is None and path.read_bytes() == BODY


def test_sizes_are_bounded(stub, path):
    for reply in (Reply(BODY), Reply(BODY, length=False)):
        stub.routes['/f'] = reply
        with pytest.raises(ArchiveError, match='more than a file of its kind|more bytes than a file'):
            fetch(stub, path, max_bytes=len(BODY) - 1)
        assert hidden(path) == []
    fetch(stub, path, max_bytes=len(BODY))


def test_stopping_leaves_a_part_that_is_continued(stub, path):
    made = web()

    def stopping(request):
        made.stop.set()
        return Reply(BODY, headers={'ETag': '"one"'})
    stub.routes['/f'] = [Reply(BODY, headers={'ETag': '"one"'}, cut=50_000), stopping]
    with pytest.raises(DrainedError):
        fetch(stub, path, made=made)
    assert not path.exists()
    stub.routes['/f'] = ranged(BODY)
    fetch(stub, path)
    assert path.read_bytes() == BODY


def test_a_complete_part_only_needs_its_name(stub, path):
    """Killed between the last byte and the new name."""
    path.parent.mkdir()
    part = path.with_name(f'.{path.name}.part')
    part.write_bytes(BODY)
    note = {'url': stub.url + '/f', 'validator': '"one"', 'total': len(BODY)}
    part.with_name(part.name + '.json').write_text(json.dumps(note))
    assert fetch(stub, path) == 0
    assert path.read_bytes() == BODY and not stub.asked() and hidden(path) == []


@pytest.mark.parametrize('note', ['', '{', '[]', 'null', '{"url": 1}',
                                  '{"url": "U", "validator": 3, "total": 4}'])
def test_a_broken_note_means_to_begin_anew(stub, path, note):
    path.parent.mkdir()
    part = path.with_name(f'.{path.name}.part')
    part.write_bytes(b'junk')
    part.with_name(part.name + '.json').write_text(note.replace('U', stub.url + '/f'))
    stub.routes['/f'] = ranged(BODY)
    assert fetch(stub, path) == len(BODY)
    assert path.read_bytes() == BODY and hidden(path) == []


KILLED = """
import sys
from photometry.files import downloads, fits_checks
from photometry.files.web import Web
downloads.download(Web(timeout=30, attempts=1), [sys.argv[1]], sys.argv[2], fits_checks.check_whole)
"""


def test_killed_in_the_middle_and_continued(stub, path):
    """The server sends a half and then holds its breath; the process dies; the next one asks for the rest."""
    def half(request):
        return Reply(BODY, headers={'ETag': '"one"'}, cut=120_000, hold=True)
    stub.routes['/f'] = [half, ranged(BODY)]
    process = subprocess.Popen([sys.executable, '-c', KILLED, stub.url + '/f', str(path)])
    part = path.with_name(f'.{path.name}.part')
    while process.poll() is None and not (part.exists() and part.stat().st_size >= 100_000):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stands = part.stat().st_size
    assert not path.exists() and 100_000 <= stands <= 120_000
    assert fetch(stub, path) == len(BODY) - stands
    assert path.read_bytes() == BODY and hidden(path) == []


def test_two_at_once(stub, path):
    import fcntl
    path.parent.mkdir()
    with open(path.with_name(f'.{path.name}.part'), 'ab') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ArchiveError, match='is being fetched by another process'):
            fetch(stub, path)
    stub.routes['/f'] = ranged(BODY)
    assert fetch(stub, path) == len(BODY)


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='needs /dev/full')
def test_a_full_disk_is_named(stub, path):
    stub.routes['/f'] = ranged(BODY)
    path.parent.mkdir()
    path.with_name(f'.{path.name}.part').symlink_to('/dev/full')
    with pytest.raises(OutputError, match='Cannot write .*a_ffic'):
        fetch(stub, path)
    assert not path.exists()


def table(path):
    columns = [fits.Column('A', 'J', array=np.arange(3000))]
    units = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns),
             fits.ImageHDU(np.ones((50, 70), 'f4'))]
    fits.HDUList(units).writeto(path, checksum=True)
    return path


@pytest.mark.parametrize('zipped', [False, True])
def test_whole_files_are_checked_unit_by_unit(tmp_path, zipped):
    content = table(tmp_path / 'a.fits').read_bytes()
    path = tmp_path / 'b.fits'

    def check(body):
        path.write_bytes(gzip.compress(body) if zipped else body)
        fits_checks.check_whole(path)
    check(content)
    check(content + b'\0' * 500)
    for spoil in (content[:-3000], content[:9000], content[:2000], b'', b'SIMPLE', PAGE * 100,
                  content[:-9000] + bytes([content[-9000] ^ 1]) + content[-8999:]):
        with pytest.raises(InputBadError, match='b.fits cannot be used'):
            check(spoil)
    with pytest.raises(InputMissingError):
        fits_checks.check_whole(tmp_path / 'none')
    with pytest.raises(InputBadError, match='claims 12000 bytes'):
        fits_checks.check_whole(tmp_path / 'a.fits', max_bytes=11_999)


def test_real_files_pass():
    for path in [FFI, next((INPUT / 'tesscut').glob('*s0009*'))]:
        fits_checks.check_whole(path)
