"""Files of the mission in the archives: their names, their lists, and where they lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from photometry.core.errors import ArchiveError

_MAX_LIST = 64 << 20

FFI, TICA, TPF, FAST = 'ffi', 'tica', 'tpf', 'fast-tpf'

_NAMES = {
    FFI: re.compile(r'tess(?P<year>\d{4})(?P<day>\d{3})\d{6}-s(?P<sector>\d{4})-(?P<camera>[1-4])-'
                    r'(?P<ccd>[1-4])-\d{4}-[a-z]_ffic\.fits'),
    TICA: re.compile(r'hlsp_tica_tess_ffi_s(?P<sector>\d{4})-(o\d[a-z]?-)?\d{8}-cam(?P<camera>[1-4])-'
                     r'ccd(?P<ccd>[1-4])_tess_v\d\d_img\.fits'),
    TPF: re.compile(r'tess\d{13}-s(?P<sector>\d{4})-(?P<starid>\d{16})-\d{4}-[a-z]_tp\.fits'),
    FAST: re.compile(r'tess\d{13}-s(?P<sector>\d{4})-(?P<starid>\d{16})-\d{4}-[a-z]_fast-tp\.fits'),
}
_LISTS = {FFI: 'ffic', TPF: 'tp', FAST: 'fast-tp'}
_TICA_PARTS = ('o1', 'o2', 'o1a', 'o1b', 'o2a', 'o2b')
"""Orbits of a sector, in later ones cut in halves; each has a list of its own."""


@dataclass(frozen=True)
class MissionFile:
    """A file that can be fetched."""

    name: str
    path: PurePosixPath
    """Where it goes, below INPUT."""
    urls: tuple[str, ...]
    """Where it lies, the first is asked first."""


def listed(archives, kind, sector, cameras, ccds) -> list[str]:
    """Names of the files of a sector, from the lists that MAST offers as scripts.

    Nothing of a script is run; only names that a file of this kind can have are taken from it. Lists
    are kept like other answers.

    Parameters
    ----------
    archives : photometry.files.archives.Archives
    kind : {'ffi', 'tica', 'tpf', 'fast-tpf'}
    sector : int
    cameras, ccds : sequence of int
        Of full-frame images those that are wanted; names of target pixel files do not tell theirs.

    Raises
    ------
    ArchiveError
        When there is no list, as for a sector that is not released.
    """
    if kind == TICA:
        found = [name for camera in cameras for ccd in ccds
                 for name in _tica(archives, sector, camera, ccd)]
    else:
        url = f'{archives.scripts}/tesscurl_sector_{sector}_{_LISTS[kind]}.sh'
        found = _read_list(archives, kind, url)
    chosen = [name for name in found if _is_wanted(_NAMES[kind].fullmatch(name), sector, cameras, ccds)]
    if not chosen:
        raise ArchiveError(f'The list of MAST names no {kind} file of sector {sector} for what was asked; '
                           'look whether it is released, or give the same command later with --overwrite.')
    return sorted(set(chosen))


def _tica(archives, sector, camera, ccd):
    """Names of all orbits of a CCD; lists of orbits that are not there are passed over."""
    found, problem = [], None
    for part in _TICA_PARTS:
        url = (f'{archives.bundles}/s{sector:04d}/hlsp_tica_tess_ffi_s{sector:04d}-{part}-cam{camera}-'
               f'ccd{ccd}_tess_v01_ffis.sh')
        try:
            found += _read_list(archives, TICA, url)
        except ArchiveError as error:
            problem = problem or error
    if not found:
        raise problem
    return found


def _read_list(archives, kind, url):
    def parse(body):
        names = _NAMES[kind]
        words = re.split(r'[\s\'"/=]+', body.decode('ascii'))
        found = list(dict.fromkeys(word for word in words if names.fullmatch(word)))
        if not found:
            raise ValueError('it names no file')
        return found
    query = {'list': url}
    body = archives.cache.get('lists', query)
    if body is not None:
        return parse(body)
    body, found = archives.web.ask(url, parse, what='a list of files', max_bytes=_MAX_LIST)
    archives.cache.put('lists', query, body)
    return found


def _is_wanted(match, sector, cameras, ccds):
    if match is None or int(match['sector']) != sector:
        return False
    if 'camera' not in match.re.groupindex:
        return True
    return int(match['camera']) in cameras and int(match['ccd']) in ccds


def star_of(name) -> int | None:
    """TIC number in the name of a target pixel file."""
    match = _NAMES[TPF].fullmatch(name) or _NAMES[FAST].fullmatch(name)
    return match and int(match['starid'])


def located(archives, kind, name) -> MissionFile:
    """Where a file lies and where it goes; the public cloud copy first."""
    match = _NAMES[kind].fullmatch(name)
    sector = f's{match["sector"]}'
    if kind == FFI:
        ccd = f'{match["camera"]}-{match["ccd"]}'
        path = PurePosixPath('ffi', sector, ccd, name)
        cloud = f'tess/public/ffi/{sector}/{match["year"]}/{match["day"]}/{ccd}/{name}'
        product = f'mast:TESS/product/{name}'
    elif kind == TICA:
        ccd = f'cam{match["camera"]}-ccd{match["ccd"]}'
        path = PurePosixPath('tica', sector, f'{match["camera"]}-{match["ccd"]}', name)
        cloud = None
        product = f'mast:HLSP/tica/{sector}/{ccd}/{name}'
    else:
        number = match['starid']
        path = PurePosixPath('tpf', sector, name)
        cloud = '/'.join(['tess/public/tid', sector, *(number[k:k + 4] for k in range(0, 16, 4)), name])
        product = f'mast:TESS/product/{name}'
    copies = [f'{archives.cloud}/{cloud}'] if archives.cloud and cloud else []
    return MissionFile(name, path, (*copies, f'{archives.mast}/api/v0.1/Download/file?uri={product}'))
