"""The names of files: how they are made, how they are found, what they tell."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from photometry.core import starids
from photometry.core.errors import InputMissingError

_FFI = re.compile(r'tess(?P<stamp>\d+)-s(?P<sector>\d{4})-(?P<camera>[1-4])-(?P<ccd>[1-4])-'
                  r'\d{4}-[a-z]_ffic\.fits(\.gz)?$')
_TICA = re.compile(r'hlsp_tica_tess_ffi_s(?P<sector>\d{4})-(o\d+[a-z]?-)?\d{8}-cam(?P<camera>[1-4])-'
                   r'ccd(?P<ccd>[1-4])_tess_v\d+_img\.fits(\.gz)?$')
_TESSCUT = re.compile(r'(tess|tica)-s(?P<sector>\d{4})-(?P<camera>[1-4])-(?P<ccd>[1-4])_'
                      r'.*_astrocut\.fits(\.gz)?$')
_CUBE = re.compile(r'sector(?P<sector>\d{3,})_camera(?P<camera>[1-4])_ccd(?P<ccd>[1-4])'
                   r'(_c(?P<column>\d+)r(?P<row>\d+)_(?P<width>\d+)x(?P<height>\d+))?\.hdf5$')
_TARGET = re.compile(r'(tess\d+-s(?P<sector>\d{4})-(?P<starid>\d{16})-|'
                     r'hlsp_.*_(?P<number>\d{11,16})-s(?P<in_sector>\d{2,4})_)?.*[_-]tp\.fits(\.gz)?$')
_CATALOG = re.compile(r'catalog_sector(?P<sector>\d{3,})_camera(?P<camera>[1-4])_ccd(?P<ccd>[1-4])\.sqlite$')
_LIGHTCURVE = re.compile(r'tess(?P<number>-?\d+)-s\d|'
                         r'hlsp_[a-z0-9-]+_tess_[a-z]+_s\d{4}-\d-\d-(?P<target>.+?)-c\d')

FFI, TESSCUT, TARGET, CATALOG, CUBE = 'ffi', 'tesscut', 'target', 'catalog', 'cube'
WORK, JOURNAL = 'work', 'journal'
_KINDS = {FFI: (_FFI, _TICA), TESSCUT: (_TESSCUT,), CATALOG: (_CATALOG,), CUBE: (_CUBE,), TARGET: (_TARGET,)}

PRODUCTS = ('spoc', 'tica')
"""Who calibrates full-frame images: the mission's pipeline (SPOC), or the TESS Image CAlibrator (TICA)."""


@dataclass(frozen=True, order=True)
class Found:
    """A file together with what its name says about it."""

    sector: int
    camera: int
    ccd: int
    path: Path
    is_cutout: bool = False
    """Whether a cube covers only a part of its CCD."""

    @property
    def ccd_key(self) -> tuple[int, int, int]:
        """(sector, camera, ccd)."""
        return self.sector, self.camera, self.ccd


@dataclass(frozen=True, order=True)
class FoundTarget:
    """A target pixel file together with what its name says about it."""

    path: Path
    sector: int | None = None
    starid: int | None = None


def _find(directory, pattern, glob, sector=None, camera=None, ccd=None) -> list[Found]:
    directory = Path(directory)
    found = []
    for path in directory.rglob(glob):
        match = pattern.match(path.name)
        if not match:
            continue
        item = _found(match, path)
        wanted = zip(item.ccd_key, (sector, camera, ccd), strict=True)
        if all(selected(value, choice) for value, choice in wanted):
            found.append(item)
    return sorted(found)


def _found(match, path):
    return Found(int(match['sector']), int(match['camera']), int(match['ccd']), path,
                 match.groupdict().get('width') is not None)


def selected(value, choice):
    """Whether a value passes a filter: nothing, one number or several."""
    if choice is None or (not isinstance(choice, int) and not choice):
        return True
    return value == choice if isinstance(choice, int) else value in choice


def kind_of(name) -> tuple[str, re.Match] | tuple[None, None]:
    """What a file is by its name, with the match of the pattern that its name follows; None for neither.

    A cube in work (``.work``) and a journal (``.journal``) go by the name of their cube.
    """
    for suffix in (WORK, JOURNAL):
        if name.endswith(f'.hdf5.{suffix}'):
            match = _CUBE.match(name.removesuffix(f'.{suffix}'))
            return (suffix, match) if match else (None, None)
    for kind, patterns in _KINDS.items():
        for pattern in patterns:
            match = pattern.match(name)
            if match:
                return kind, match
    return None, None


def recognised(path: Path) -> tuple[str, Found | FoundTarget] | None:
    """What a file is by its name: its kind with what the name tells; None for a file of no kind."""
    kind, match = kind_of(path.name)
    if match is None:
        return None
    return kind, target_of(path) if kind == TARGET else _found(match, path)


def find_ffis(directory, sector=None, camera=None, ccd=None):
    """Calibrated FFIs of SPOC and of TICA anywhere below a directory, as a sorted list of `Found`.

    Filters are None, a number or several numbers.
    """
    return sorted(_find(directory, _FFI, 'tess*_ffic.fits*', sector, camera, ccd)
                  + _find(directory, _TICA, 'hlsp_tica_*_img.fits*', sector, camera, ccd))


def product_of(path) -> str:
    """Which of `PRODUCTS` a full-frame image or a cutout is by its name; without a TICA name it is SPOC's."""
    name = os.path.basename(path)  # a Path takes ten times as long, and there may be many
    return 'tica' if _TICA.match(name) or name.startswith('tica-') else 'spoc'


def find_tesscuts(directory, sector=None, camera=None, ccd=None):
    """TESSCut files anywhere below a directory, as a sorted list of `Found`."""
    return _find(directory, _TESSCUT, 't*-s*_astrocut.fits*', sector, camera, ccd)


def find_targets(directory, sector=None, starid=None) -> list[FoundTarget]:
    """Target pixel files anywhere below a directory, less those whose name says another sector or star.

    Of files that differ only in their directory or in ``.gz`` the first. Their names do not
    tell the CCD. Sorted by name.
    """
    chosen = {}
    for path in sorted(Path(directory).rglob('*tp.fits*'), key=lambda path: (len(path.name), path)):
        item = target_of(path)
        if (item and (item.sector is None or selected(item.sector, sector))
                and (item.starid is None or selected(item.starid, starid))):
            chosen.setdefault(path.name.removesuffix('.gz'), item)
    return [item for _, item in sorted(chosen.items())]


def target_of(path) -> FoundTarget | None:
    """What the name of a target pixel file tells; None when it is no name of one."""
    match = _TARGET.match(Path(path).name)
    if not match:
        return None
    said = [match[one] or match[other] for one, other in (('sector', 'in_sector'), ('starid', 'number'))]
    return FoundTarget(Path(path), *(number and int(number) for number in said))


def find_cubes(directory, sector=None, camera=None, ccd=None):
    """Finished cubes anywhere below a directory, as a sorted list of `Found`."""
    return _find(directory, _CUBE, 'sector*.hdf5', sector, camera, ccd)


def find_catalogs(directory, sector=None, camera=None, ccd=None):
    """Catalogues anywhere below a directory, as a sorted list of `Found`."""
    return _find(directory, _CATALOG, 'catalog_sector*.sqlite', sector, camera, ccd)


def catalog_name(sector, camera, ccd):
    """Name of the catalogue of a CCD."""
    return f'catalog_sector{sector:03d}_camera{camera}_ccd{ccd}.sqlite'


def ccd_of(path) -> tuple[int, int, int] | None:
    """(sector, camera, ccd) as the name of an FFI, TESSCut file or catalogue tells it, else None."""
    name = Path(path).name
    match = _FFI.match(name) or _TICA.match(name) or _TESSCUT.match(name) or _CATALOG.match(name)
    return match and (int(match['sector']), int(match['camera']), int(match['ccd']))


def cube_name(sector, camera, ccd, stamp=None):
    """Name of the cube of a CCD or, with a stamp, of a cutout of it."""
    name = f'sector{sector:03d}_camera{camera}_ccd{ccd}'
    if stamp is not None:
        name += f'_c{stamp.col_min}r{stamp.row_min}_{stamp.width}x{stamp.height}'
    return name + '.hdf5'


def lightcurve_name(starid, sector, camera, ccd, cadence, data_rel, version,
                    layout='tessphot', compress=False):
    """Path of a light-curve file below the output directory."""
    name = (f'tess{starid:011d}-s{sector:03d}-{camera}-{ccd}-c{cadence:04d}'
            f'-dr{data_rel:02d}-v{version:02d}-{layout}_lc.fits')
    return star_folder(starid, cadence) / (name + ('.gz' if compress else ''))


def target_name(starid) -> str:
    """A star in the name of an archive's file: sixteen digits of its TIC number, else what it is called."""
    if starid > 0:
        return f'{starid:016d}'
    return starids.name(starid).lower().replace(' dr3', '').replace(' ', '')


def star_of(name) -> str | None:
    """The star as the name of a light curve tells it: one of `star_names`."""
    match = _LIGHTCURVE.match(name)
    return match and (match['number'] or match['target'])


def star_names(starid) -> tuple[str, str]:
    """What a star is called in the names of light curves: by its number or, in an archive's, as a target."""
    return f'{starid:011d}', target_name(starid)


def find_lightcurves(directory, starid) -> list[Path]:
    """Light-curve files of a star in an output directory, sorted."""
    names = star_names(starid)
    found = Path(directory).glob(f'c*/{star_folder(starid, 0).name}/*_lc.fits*')
    return sorted(path for path in found if star_of(path.name) in names)


def plot_folder(starid, cadence):
    """Directory of a star's plots, relative to the output directory."""
    return star_folder(starid, cadence) / 'plots' / f'{starid:011d}'


def star_folder(starid, cadence):
    """Directory of a star's light curves, relative to the output directory."""
    return Path(f'c{cadence:04d}') / f'{starid:011d}'[:5]


def input_directory(argument, environment):
    """The input directory: the argument, else TESSPHOT_INPUT.

    Raises
    ------
    InputMissingError
        When neither is given or the directory does not exist.
    """
    chosen = argument or environment.get('TESSPHOT_INPUT')
    if not chosen:
        raise InputMissingError('No input directory: name it on the command line or in '
                                'the environment variable TESSPHOT_INPUT.')
    path = Path(chosen)
    if not path.is_dir():
        raise InputMissingError(f'The input directory {path} does not exist; '
                                'name an existing one or set TESSPHOT_INPUT.')
    return path


def output_directory(argument, environment, input_path):
    """The directory of light curves: argument, TESSPHOT_OUTPUT or INPUT/lightcurves."""
    return Path(argument or environment.get('TESSPHOT_OUTPUT')
                or Path(input_path) / 'lightcurves')
