"""Cutouts by what they show, and what TESSCut says about places."""

import json

import archive_stubs
import pytest
from http_stub import Reply, Stub

from photometry.core.errors import ArchiveError
from photometry.files import paths, tesscut_service
from photometry.files.tesscut_service import Cut, CutNames

CUT = Cut(9, 3, 1, 151.512, -49.1088, 13, 21)
SECTOR = '/tesscut/api/v0.1/sector'


@pytest.fixture
def archives(tmp_path):
    with Stub() as stub:
        made = archive_stubs.archives(tmp_path, stub)
        yield made, stub


def test_names_are_those_that_others_find():
    assert CUT.name == 'tess-s0009-3-1_151.512000_-49.108800_21x13_astrocut.fits'
    assert paths.ccd_of(CUT.name) == (9, 3, 1) and CUT.path.name == CUT.name


@pytest.mark.parametrize('name', [
    CUT.name, CUT.name + '.gz', 'tess-s0009-3-1_151.512_-49.1088_21x13_astrocut.fits',
    'tess-s0009-3-1_151.51201_-49.10881_13x21_astrocut.fits'])
def test_a_cutout_is_found_under_every_name_it_has_had(name):
    others = [CUT.name.replace(old, new) for old, new in (
        ('s0009', 's0010'), ('-3-1_', '-3-2_'), ('151.512', '151.513'), ('-49.1', '49.1'),
        ('21x13', '13x13'))]
    assert CutNames(['junk', '..', *others]).find(CUT) is None
    assert CutNames([*others, name]).find(CUT) == name
    assert CutNames([]).find(CUT) is None


def test_the_cutouts_of_a_place(archives):
    made, stub = archives
    rows = [{'sectorName': name, 'sector': sector, 'camera': '1', 'ccd': '3'} for name, sector in (
        ('tess-s0002-1-3', '0002'), ('tess-s0001-1-3', '1'), ('tica-s0056-1-3', '0056'),
        ('tess-s0002-1-3', '0002'))]
    stub.routes[SECTOR] = Reply(json.dumps({'results': rows}).encode())
    for _ in range(2):
        found = tesscut_service.cuts_of(made, 10.0, -20.0, 5, 7)
        assert found == [Cut(sector, 1, 3, 10.0, -20.0, 5, 7) for sector in (1, 2)]
    assert len(stub.asked()) == 1


@pytest.mark.parametrize('body', [
    b'', b'[]', b'{}', b'{"results": 3}', b'{"results": [{"sector": "x"}]}', b'{"results": [1]}',
    b'[' * 99999])
def test_bad_answers_about_places(archives, body):
    made, stub = archives
    stub.routes[SECTOR] = Reply(body)
    with pytest.raises(ArchiveError, match='is not JSON as expected'):
        tesscut_service.cuts_of(made, 10.0, -20.0, 5, 7)
