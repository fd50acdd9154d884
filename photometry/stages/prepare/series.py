"""Headers of one CCD become a series: one cadence, one shape, one clock, each moment once."""

from __future__ import annotations

import collections
import dataclasses
import logging

import numpy as np

from photometry.algorithms import timing
from photometry.core.errors import InputMissingError, UsageError
from photometry.files import ffi, tesscut

logger = logging.getLogger(__name__)


class OtherFramesError(InputMissingError):
    """Files are there, but none of the cadence or the product that is wanted."""


def ordered(headers, cadence, where):
    """The frames that make a series, sorted in time; what is wrong with the others is named in the log.

    Of two frames of one moment the first by name stays; frames of another shape
    than most have stay out. Where steps of the times contradict the cadence, or
    cadence numbers the times, the times decide; those that were stored through
    float32 are restored as in TESSCut files.

    Parameters
    ----------
    headers : dict of photometry.files.ffi.FrameHeader
        By path.
    cadence : sequence of int or None
        Seconds that are wanted.
    where : str
        What messages call the place.

    Returns
    -------
    list of (path, photometry.files.ffi.FrameHeader)

    Raises
    ------
    OtherFramesError
        When no frame has the wanted cadence.
    UsageError
        When there are several cadences and none was chosen, or data releases that
        do not go together.
    """
    headers = _same_pixels(_one_cadence(_true_cadences(headers), cadence, where))
    _check_releases(headers, where)
    return _on_the_clock(_in_time(headers), where)


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
        step = ffi.cadence_of_times(np.array(middle), stated)
        if step == stated:
            continue
        logger.warning('%s and %d others state a cadence of %d s but lie %g s apart, which counts.', files[0],
                       len(files) - 1, stated, step)
        counted = all(headers[path].cadenceno == ffi.cadence_number(time, stated)
                      for time, path in zip(middle, files, strict=True))
        for time, path in zip(middle, files, strict=True):
            number = ffi.cadence_number(time, step) if counted else headers[path].cadenceno
            made[path] = dataclasses.replace(headers[path], cadence=round(step), cadenceno=number)
    return made


def _one_cadence(headers, cadence, where):
    counts = collections.Counter(header.cadence for header in headers.values())
    if cadence:
        chosen = {path: header for path, header in headers.items() if header.cadence in cadence}
        if not chosen:
            raise OtherFramesError(f'{where} has no FFIs of {seconds(cadence)} s, but {_words(counts)}; '
                                    'choose another --cadence.')
        counts = collections.Counter(header.cadence for header in chosen.values())
        headers = chosen
    if len(counts) > 1:
        raise UsageError(f'{where} mixes cadences: {_words(counts)}; '
                         'choose one with --cadence.')
    return headers


def seconds(cadence) -> str:
    """Cadences that are wanted, in words."""
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
    kept = []
    for path, header in sorted(headers.items(), key=lambda item: (item[1].time, item[0].name)):
        if kept and header.time < kept[-1][1].time + header.cadence / 172800:
            logger.warning('Frame left out: %s has the time of an earlier file, %s.', path,
                           kept[-1][0].name)
            continue
        kept.append((path, header))
    numbers = np.array([header.cadenceno for _, header in kept])
    if (np.diff(numbers) > 0).all():
        return kept
    wrong = kept[1 + int(np.argmin(np.diff(numbers) > 0))][0]
    logger.warning('%s has the cadence number of another time; all numbers are counted from the times.',
                   wrong)
    return [(path, dataclasses.replace(header, cadenceno=ffi.cadence_number(
        header.time - header.timecorr, header.cadence))) for path, header in kept]


def _on_the_clock(kept, where):
    """The same frames, their times restored where all had lost their digits."""
    middle = np.array([header.time for _, header in kept])
    if len(kept) < 3 or not tesscut.is_quantised(middle):
        return kept
    logger.warning('%s: the times had been stored through float32 (steps of 10 s) and were restored; get the '
                   'original files if seconds matter.', where)
    timecorr = np.array([header.timecorr for _, header in kept])
    numbers = np.array([header.cadenceno for _, header in kept])
    shifts = tesscut.restored(middle - timecorr, numbers) + timecorr - middle
    return [(path, dataclasses.replace(header, **{
        name: getattr(header, name) + float(shift) for name in ('time_start', 'time', 'time_stop')}))
        for (path, header), shift in zip(kept, shifts, strict=True)]
