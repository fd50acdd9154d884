"""Names and lists of the mission's files: real ones, and ones that want to be paths or commands."""

import archive_stubs
import pytest
from archive_stubs import script
from http_stub import PAGE, Reply, Stub
from hypothesis import given
from hypothesis import strategies as st

from photometry.core.errors import ArchiveError
from photometry.files import mission_files

EVERY = (1, 2, 3, 4)
FFIS = [f'tess2018319095959-s0005-{camera}-{ccd}-0125-s_ffic.fits' for camera in EVERY for ccd in EVERY]
TPF = 'tess2018319095959-s0005-0000000139419999-0125-s_tp.fits'
TICA = 'hlsp_tica_tess_ffi_s0056-o1-00690247-cam1-ccd2_tess_v01_img.fits'


@pytest.fixture
def stub():
    with Stub() as made:
        made.routes['/scripts/tesscurl_sector_5_ffic.sh'] = Reply(script(*FFIS))
        yield made


@pytest.fixture
def archives(stub, tmp_path):
    return archive_stubs.archives(tmp_path / 'queries', stub)


def test_a_list_is_read_once(archives, stub):
    found = mission_files.listed(archives, 'ffi', 5, (2,), (1, 3))
    assert found == [FFIS[4], FFIS[6]]
    assert mission_files.listed(archives, 'ffi', 5, EVERY, EVERY) == sorted(FFIS)
    assert len(stub.asked()) == 1


def test_where_files_lie(archives, stub):
    file = mission_files.located(archives, 'ffi', FFIS[5])
    assert str(file.path) == f'ffi/s0005/2-2/{FFIS[5]}'
    assert file.urls == (f'{stub.url}/cloud/tess/public/ffi/s0005/2018/319/2-2/{FFIS[5]}',
                         f'{stub.url}/api/v0.1/Download/file?uri=mast:TESS/product/{FFIS[5]}')
    file = mission_files.located(archives, 'tpf', TPF)
    assert file.urls[0] == f'{stub.url}/cloud/tess/public/tid/s0005/0000/0001/3941/9999/{TPF}'
    assert str(file.path) == f'tpf/s0005/{TPF}' and mission_files.star_of(TPF) == 139419999
    file = mission_files.located(archives, 'tica', TICA)
    assert file.urls == (f'{stub.url}/api/v0.1/Download/file?uri=mast:HLSP/tica/s0056/cam1-ccd2/{TICA}',)
    assert str(file.path) == f'tica/s0056/1-2/{TICA}'


def test_without_a_cloud(stub, tmp_path):
    archives = archive_stubs.archives(tmp_path, stub, cloud='')
    assert len(mission_files.located(archives, 'ffi', FFIS[0]).urls) == 1


def test_images_of_tica_have_a_list_an_orbit(archives, stub):
    second = TICA.replace('-o1-', '-o2a-')
    for part, name in (('o1', TICA), ('o2a', second)):
        url = f'/bundles/s0056/hlsp_tica_tess_ffi_s0056-{part}-cam1-ccd2_tess_v01_ffis.sh'
        stub.routes[url] = Reply(script(name, product='HLSP/tica/s0056/cam1-ccd2'))
    assert mission_files.listed(archives, 'tica', 56, (1,), (2,)) == [TICA, second]
    with pytest.raises(ArchiveError, match='answers 404'):
        mission_files.listed(archives, 'tica', 56, (1,), (3,))


def test_sectors_that_are_not_there(archives, stub):
    with pytest.raises(ArchiveError, match='tesscurl_sector_999_ffic.sh answers 404'):
        mission_files.listed(archives, 'ffi', 999, EVERY, EVERY)
    stub.routes['/scripts/tesscurl_sector_7_ffic.sh'] = Reply(script(*FFIS))
    with pytest.raises(ArchiveError, match='names no ffi file of sector 7'):
        mission_files.listed(archives, 'ffi', 7, EVERY, EVERY)
    stub.routes['/scripts/tesscurl_sector_8_ffic.sh'] = Reply(PAGE)
    with pytest.raises(ArchiveError, match='a web page where a list of files was expected'):
        mission_files.listed(archives, 'ffi', 8, EVERY, EVERY)


@pytest.mark.parametrize('line', [
    'rm -rf ~', 'curl -o ../../../etc/passwd http://x/../../etc/passwd', 'curl -o ~/.bashrc http://x/y',
    'curl -o $(reboot)_ffic.fits http://x/$(reboot)_ffic.fits', 'curl -o x;reboot http://x',
    f'curl -o {FFIS[0]}.exe http://x/{FFIS[0]}.exe', f'curl -o ..\\{FFIS[0]} http://x'])
def test_nothing_of_a_script_is_believed_but_names(archives, stub, line):
    stub.routes['/scripts/tesscurl_sector_5_ffic.sh'] = Reply(script(FFIS[3]) + line.encode() + b'\n')
    assert mission_files.listed(archives, 'ffi', 5, EVERY, EVERY) == [FFIS[3]]


@given(st.text(max_size=80))
def test_no_text_leads_out_of_the_directory(text):
    for kind, names in mission_files._NAMES.items():
        if names.fullmatch(text):
            assert '/' not in text and kind
