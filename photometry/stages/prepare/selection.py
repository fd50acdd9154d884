"""Which files become which cubes, and which frames have to stay out."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import logging
from pathlib import Path

import numpy as np

from photometry.algorithms import timing
from photometry.core.errors import InputBadError, InputMissingError, UsageError
from photometry.files import ffi, frames, paths, tesscut
from photometry.stages.prepare.pool import FramePool
from photometry.stages.prepare.sources import FFISource, TessCutSource

logger = logging.getLogger(__name__)

MANY = 300
"""Frames from which on worker processes read headers."""


AUTO = 'auto'
"""The product that is there, as long as there is but one."""


class OtherFramesError(InputMissingError):
    """Files are there, but none of the cadence or the product that is wanted."""


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
    (``.fits`` before ``.fits.gz``), and the later one, by name, of two with the
    same time or cadence number. Times that were stored through float32 are
    restored as in TESSCut files.

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
    headers = _same_pixels(_one_cadence(_true_cadences(headers), cadence, f'{where} ({job.label})'))
    _check_releases(headers, f'{where} ({job.label})')
    ordered = _on_the_clock(_in_time(headers), f'{where} ({job.label})')
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
                                f'{_seconds(cadence)} s; choose another --cadence.')
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


def _check_releases(headers, where):
    """Name several data releases; refuse them where one of them has the late clock and another has not."""
    releases = {(header.data_rel, header.procver): header for header in headers.values()}
    if len(releases) == 1:
        return
    words = ', '.join(f'{number} ({version})' for number, version in sorted(releases))
    late = {timing.release_offset(header.sector, *release) for release, header in releases.items()}
    if len(late) > 1 and next(iter(headers.values())).product == 'spoc':
        raise UsageError(f'{where} mixes data releases whose clocks differ by two seconds: {words}; '
                         'keep one release there.')
    logger.warning('%s mixes data releases: %s.', where, words)


def _true_cadences(headers):
    """Headers whose stated cadence is not the step of their times get that, and numbers that go with it."""
    groups = collections.defaultdict(list)
    for path, header in headers.items():
        groups[header.cadence].append((header.time - header.timecorr, path))
    made = dict(headers)
    for stated, members in groups.items():
        middle, files = zip(*sorted(members), strict=True)
        if tesscut.is_quantised(np.array([headers[path].time for path in files])):
            continue
        seconds = ffi.cadence_of_times(np.array(middle), stated)
        if seconds == stated:
            continue
        logger.warning('%s and %d others state a cadence of %d s but lie %g s apart, which counts.', files[0],
                       len(files) - 1, stated, seconds)
        counted = all(headers[path].cadenceno == ffi.cadence_number(time, stated)
                      for time, path in zip(middle, files, strict=True))
        for time, path in zip(middle, files, strict=True):
            number = ffi.cadence_number(time, seconds) if counted else headers[path].cadenceno
            made[path] = dataclasses.replace(headers[path], cadence=round(seconds), cadenceno=number)
    return made


def _one_cadence(headers, cadence, where):
    counts = collections.Counter(header.cadence for header in headers.values())
    if cadence:
        chosen = {path: header for path, header in headers.items() if header.cadence in cadence}
        if not chosen:
            raise OtherFramesError(f'{where} has no FFIs of {_seconds(cadence)} s, but {_words(counts)}; '
                                    'choose another --cadence.')
        counts = collections.Counter(header.cadence for header in chosen.values())
        headers = chosen
    if len(counts) > 1:
        raise UsageError(f'{where} mixes cadences: {_words(counts)}; '
                         'choose one with --cadence.')
    return headers


def _seconds(cadence):
    return ' or '.join(map(str, cadence))


def _words(counts):
    return ' and '.join(f'{number} of {cadence} s' for cadence, number in sorted(counts.items()))


def _same_pixels(headers):
    """Only frames with the pixels that most of them have."""
    counts = collections.Counter(header.limits for header in headers.values())
    usual = counts.most_common(1)[0][0]
    for path, header in headers.items():
        if header.limits != usual:
            logger.warning('Frame left out: %s has %d x %d science pixels, the others %d x %d.', path,
                           *header.limits.shape, *usual.shape)
    return {path: header for path, header in headers.items() if header.limits == usual}


def _in_time(headers):
    """(path, header) sorted in time, each time once, with cadence numbers that grow with it."""
    ordered = []
    for path, header in sorted(headers.items(), key=lambda item: (item[1].time, item[0].name)):
        if ordered and header.time < ordered[-1][1].time + header.cadence / 172800:
            logger.warning('Frame left out: %s has the time of an earlier file, %s.', path,
                           ordered[-1][0].name)
            continue
        ordered.append((path, header))
    numbers = np.array([header.cadenceno for _, header in ordered])
    if (np.diff(numbers) > 0).all():
        return ordered
    wrong = ordered[1 + int(np.argmin(np.diff(numbers) > 0))][0]
    logger.warning('%s has the cadence number of another time; all numbers are counted from the times.',
                   wrong)
    return [(path, dataclasses.replace(header, cadenceno=ffi.cadence_number(
        header.time - header.timecorr, header.cadence))) for path, header in ordered]


def _on_the_clock(ordered, where):
    """The same frames, their times restored where all had lost their digits."""
    middle = np.array([header.time for _, header in ordered])
    if len(ordered) < 3 or not tesscut.is_quantised(middle):
        return ordered
    logger.warning('%s: the times had been stored through float32 (steps of 10 s) and were restored; get the '
                   'original files if seconds matter.', where)
    timecorr = np.array([header.timecorr for _, header in ordered])
    numbers = np.array([header.cadenceno for _, header in ordered])
    shifts = tesscut.restored(middle - timecorr, numbers) + timecorr - middle
    return [(path, dataclasses.replace(header, **{
        name: getattr(header, name) + float(shift) for name in ('time_start', 'time', 'time_stop')}))
        for (path, header), shift in zip(ordered, shifts, strict=True)]
