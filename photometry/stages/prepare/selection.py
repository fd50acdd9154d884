"""Which files become which cubes."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from pathlib import Path

from photometry.core.errors import InputBadError, InputMissingError, UsageError
from photometry.files import frames, paths
from photometry.stages.prepare import series
from photometry.stages.prepare.pool import FramePool
from photometry.stages.prepare.series import OtherFramesError
from photometry.stages.prepare.sources import FFISource, TessCutSource

logger = logging.getLogger(__name__)

MANY = 300
"""Frames from which on worker processes read headers."""


AUTO = 'auto'
"""The product that is there, as long as there is but one."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One cube that is to be made."""

    key: tuple[int, int, int]
    """(sector, camera, ccd)."""
    files: tuple[Path, ...]
    is_cutout: bool

    @property
    def label(self) -> str:
        """How messages call it."""
        if self.is_cutout:
            return self.files[0].name
        return 'sector {}, camera {}, CCD {}'.format(*self.key)


def find_jobs(folder, sector=None, camera=None, ccd=None) -> list[Job]:
    """Cubes that the files below a directory can make.

    Raises
    ------
    InputMissingError
        When there are none that pass the filters.
    """
    found = paths.find_ffis(folder, sector, camera, ccd)
    jobs = [Job(key, tuple(item.path for item in items), False)
            for key, items in itertools.groupby(found, key=lambda item: item.ccd_key)]
    cutouts = paths.find_tesscuts(folder, sector, camera, ccd)
    used = _first_of_each(tuple(item.path for item in cutouts))
    jobs += [Job(item.ccd_key, (item.path,), True) for item in cutouts if item.path in used]
    if not jobs:
        raise InputMissingError(f'{folder} holds no FFIs (tess*_ffic.fits, hlsp_tica_*_img.fits) and no '
                                'TESSCut files (tess*_astrocut.fits) that pass the filters; check the '
                                'directory and --sector, --camera, --ccd. (Target pixel files are measured '
                                'as they are.)')
    return jobs


def select_ffis(folder, job, cadence=None, workers=1, product=AUTO) -> FFISource:
    """Read the headers of the FFIs of one CCD and put the usable frames in order.

    Images of SPOC and of TICA are never mixed. A file that cannot be read is
    named in the log and left out; so is one of two files with the same name
    (``.fits`` before ``.fits.gz``). What else may be wrong, see `series.ordered`.

    Raises
    ------
    InputBadError
        When no frame is usable.
    OtherFramesError
        When no frame is of the wanted product or has the wanted cadence.
    UsageError
        When there are several products or cadences and none was chosen, or data
        releases that do not go together.
    """
    headers, where = {}, job.files[0].parent
    chosen = _first_of_each(_one_product(job, product))
    with FramePool(_read_header, None, workers, MANY, len(chosen)) as pool:
        for path, header in pool.map(chosen):
            if isinstance(header, str):
                logger.warning('Frame left out: %s', header)
            else:
                headers[path] = header
    if not headers:
        raise InputBadError(f'None of the {len(job.files)} FFIs of {job.label} in {where} can be used; the '
                            'log names each with its fault: download them again.')
    ordered = series.ordered(headers, cadence, f'{where} ({job.label})')
    names = tuple(path.relative_to(folder).as_posix() for path, _ in ordered)
    return FFISource(Path(folder), tuple(header for _, header in ordered), names)


def _one_product(job, product):
    """The files of a job that are of one product."""
    files = {name: [path for path in job.files if paths.product_of(path) == name] for name in paths.PRODUCTS}
    counts = ' and '.join(f'{len(found)} of {name.upper()}' for name, found in files.items() if found)
    where = f'{job.files[0].parent} ({job.label})'
    if product != AUTO:
        if not files[product]:
            raise OtherFramesError(f'{where} has no FFIs of {product.upper()}, but {counts}; '
                                   'choose another --product.')
        return files[product]
    if all(files.values()):
        raise UsageError(f'{where} has FFIs of two products: {counts}; choose one with --product.')
    return job.files


def _read_header(context, path):
    """Header of a file, or what is wrong with it."""
    try:
        return frames.read_header(path)
    except (InputBadError, InputMissingError) as error:
        return str(error)


def select_tesscut(folder, path, cadence=None, product=AUTO) -> TessCutSource:
    """A TESSCut file.

    Raises
    ------
    OtherFramesError
        When it is of another product or cadence than the wanted one.
    UsageError
        When the same cutout of the other product lies beside it and none was chosen.
    """
    source = TessCutSource(Path(folder), path.relative_to(folder).as_posix())
    found = source.frames[0].product
    if product not in (AUTO, found):
        raise OtherFramesError(f'{path} is of {found.upper()}, not of {product.upper()}; '
                               'choose another --product.')
    twin = path.with_name({'tess': 'tica', 'tica': 'tess'}[path.name[:4]] + path.name[4:])
    if product == AUTO and twin.exists():
        raise UsageError(f'{path} and {twin.name} are of two products; choose one with --product.')
    if cadence and source.frames[0].cadence not in cadence:
        raise OtherFramesError(f'{path} has a cadence of {source.frames[0].cadence} s, not of '
                                f'{series.seconds(cadence)} s; choose another --cadence.')
    for note in source.notes[:5]:
        logger.info('%s: %s.', path.name, note)
    return source


def _first_of_each(files):
    """Of files that differ only in their directory or in ``.gz``, the first."""
    chosen = {}
    for path in sorted(files, key=lambda path: (path.name.removesuffix('.gz'), len(path.name), path)):
        name = path.name.removesuffix('.gz')
        if name in chosen:
            logger.info('%s is passed over: %s is the same frame.', path, chosen[name])
        else:
            chosen[name] = path
    return list(chosen.values())
