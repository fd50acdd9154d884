"""What has been verified: known again, unless it changed; lines that a kill has left do no harm."""

import json
import os

import pytest

from photometry.core.errors import OutputError
from photometry.files.fetch_record import NAME, FetchRecord


@pytest.fixture
def path(tmp_path):
    made = tmp_path / 'deep' / 'a.fits'
    made.parent.mkdir()
    made.write_bytes(b'content')
    return made


def test_known_again_until_it_changes(tmp_path, path):
    record = FetchRecord(tmp_path)
    assert not record.knows(path)
    record.add(path)
    assert record.knows(path) and FetchRecord(tmp_path).knows(path)
    path.write_bytes(b'content!')
    assert not FetchRecord(tmp_path).knows(path)
    FetchRecord(tmp_path).add(path)
    os.utime(path, ns=(1, 1))
    assert not FetchRecord(tmp_path).knows(path)


@pytest.mark.parametrize('junk', [b'["deep/a.f', b'\xff\xfe\n', b'null\n[1]\n{}\n3\n', b'[[1], 2, 3]\n',
                                  b'[' * 99999])
def test_broken_lines_do_not_count(tmp_path, path, junk):
    (tmp_path / NAME).write_bytes(junk)
    record = FetchRecord(tmp_path)
    assert not record.knows(path)
    record.add(path)
    assert FetchRecord(tmp_path).knows(path)
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes() + json.dumps(['deep/a.fits', 1]).encode())
    assert FetchRecord(tmp_path).knows(path)


def test_a_record_that_cannot_be_written(tmp_path, path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(OutputError, match='Cannot write .*fetched.jsonl'):
        FetchRecord(tmp_path).add(path)
