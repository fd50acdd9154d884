"""What lies there of the full-frame images of one CCD, by names, sizes and a few headers."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from photometry.core.errors import TessphotError
from photometry.files import ffi, frame_names, frames

MOST_SUSPECTS = 40
"""Files of unusual sizes whose headers are read; the others are named by their size alone."""

MOST_TRIES = 5
"""Headers that are tried at a place before it is given up."""

MOST_HEADERS = 400
"""Headers that are read where cadences are mixed."""

_SMALL = 0.3
"""Part of the usual size below which a zipped file is looked into; noise makes their sizes differ."""

_SAME = 0.75
"""Part of a cadence by which two frames of it are apart at least."""


@dataclass(frozen=True)
class Damaged:
    """A file that cannot be used, as far as its size and its header tell."""

    file: str
    reason: str


@dataclass(frozen=True)
class Gap:
    """Cadences that are missing between two files."""

    after: str
    before: str
    frames: int
    days: float


@dataclass(frozen=True)
class Frames:
    """Full-frame images of one CCD, product and cadence."""

    product: str
    cadence: int | None
    """Seconds; None where no header could be read."""
    frames: int
    """Files that are not damaged, each frame once."""
    copies: int
    """Files of a frame that lies there once more, zipped or in another directory."""
    first: float | None
    """Start of the first frame and of the last, spacecraft time, TJD (TDB); by header, else by name."""
    last: float | None
    first_utc: str | None
    last_utc: str | None
    missing: int | None
    """Cadences missing between first and last; None where the names do not tell."""
    gaps: tuple[Gap, ...]
    same_time: int
    """Files of a cadence of which another file lies there."""
    undated: int
    """Files whose names tell no time; they are not looked at for gaps."""
    headers_read: int
    bytes: int


@dataclass(frozen=True)
class _File:
    """An image with what its name tells."""

    entry: object
    mark: float | None
    """TJD of the start (SPOC), number of the cadence (TICA)."""

    @property
    def path(self):
        return self.entry.path


class _Headers:
    """Headers that were read, each once, and what was wrong with the others."""

    def __init__(self, name):
        self.read, self.damaged, self._name = {}, {}, name

    def get(self, file):
        """The header of a file, or None when it cannot be used."""
        if file.path not in self.read and file.path not in self.damaged:
            try:
                self.read[file.path] = frames.read_header(file.path)
            except TessphotError as error:
                self.blame(file, str(error))
        return self.read.get(file.path)

    def blame(self, file, reason):
        """Take a file for damaged."""
        self.damaged[file.path] = Damaged(self._name(file.path), reason)

    def without_damaged(self, files):
        """The files of which nothing bad is known."""
        return [file for file in files if file.path not in self.damaged]


def describe(product, entries, name) -> tuple[list[Frames], list[Damaged]]:
    """The images of a product of one CCD by cadence, and those that are damaged.

    Parameters
    ----------
    product : str
    entries : list of `photometry.files.tree.Entry`
    name : callable
        Takes a path, gives the name that it goes by.
    """
    files = _once(entries)
    mark = {'spoc': frame_names.start_time, 'tica': frame_names.cadence_number}[product]
    files = [_File(entry, mark(entry.path)) for entry in files]
    headers = _Headers(name)
    _look_at_sizes(files, headers)
    groups = _by_cadence(product, files, headers)
    made = [_one(product, cadence, headers.without_damaged(group), headers, name, len(groups) == 1)
            for cadence, group in groups.items()]
    made = [group for group in made if group.frames]
    if made:
        made[0] = replace(made[0], copies=len(entries) - len(files))
    damaged = sorted(headers.damaged.values(), key=lambda item: item.file)
    return sorted(made, key=lambda group: group.cadence or 0), damaged


def _once(entries):
    """Of files that differ only in their directory or in ``.gz`` the first, which the other programs take."""
    chosen = {}
    for entry in sorted(entries, key=lambda entry: (len(entry.path.name), entry.path)):
        chosen.setdefault(entry.path.name.removesuffix('.gz'), entry)
    return list(chosen.values())


def _look_at_sizes(files, headers):
    """Blame empty files, and those of unusual size in which a header tells of damage."""
    for file in files:
        if not file.entry.size:
            headers.blame(file, f'{file.path} is empty; download it again or take it away.')
    for zipped in (False, True):
        alike = [file for file in headers.without_damaged(files) if (file.path.suffix == '.gz') == zipped]
        if alike:
            _look_at_unusual(alike, zipped, headers)


def _look_at_unusual(files, zipped, headers):
    """One header of each unusual size tells whether whole files have it; where not, each is looked into."""
    usual, sizes = _usual(files, zipped)
    left = MOST_SUSPECTS
    for some in sizes:
        for number, file in enumerate(some):
            left -= 1
            if left < 0:
                size = file.entry.size
                headers.blame(file, f'{file.path} has {size} bytes, others {usual}; it was not read.')
            elif headers.get(file) and not number:
                break


def _usual(files, zipped):
    """The usual size, and the files of each of the others, the most frequent first."""
    by_size = defaultdict(list)
    for file in files:
        by_size[file.entry.size].append(file)
    if zipped:
        usual = int(statistics.median(file.entry.size for file in files))
        others = [size for size in by_size if size < _SMALL * usual]
    else:
        usual = max(by_size, key=lambda size: (len(by_size[size]), size))
        others = [size for size in by_size if size != usual]
    return usual, [by_size[size] for size in sorted(others, key=lambda size: (-len(by_size[size]), size))]


def _by_cadence(product, files, headers):
    """Files by the cadence that headers state: of three frames, of many where these or the names disagree."""
    files = headers.without_damaged(files)
    dated = sorted((file for file in files if file.mark is not None), key=lambda file: (file.mark, file.path))
    undated = [file for file in files if file.mark is None]
    probed = dated or undated
    places = probed, probed[len(probed) // 2:], probed[::-1]
    found = [_probe(some, headers) for some in places]
    dated = headers.without_damaged(dated)
    cadences = {header.cadence for header in found if header}
    marks = np.array([file.mark for file in dated])
    if not cadences:
        return {None: dated + undated}
    step = min(cadences) / 86400 if product == 'spoc' else 1
    near = marks[1:] - marks[:-1] if len(marks) > 1 else np.array([np.inf])
    # files of one moment are copies, not another cadence
    if len(cadences) == 1 and not ((near > 2 / 86400) & (near < _SAME * step)).any():
        return {cadences.pop(): dated + undated}
    return _mixed(dated, undated, headers)


def _probe(files, headers):
    """The header of the first file that can be used."""
    for file in files[:MOST_TRIES]:
        header = headers.get(file)
        if header:
            return header
    return None


def _mixed(dated, undated, headers):
    """Files by cadence where they are mixed: those not read have that of the last one before that was."""
    groups, cadence = {}, None
    every = -(-len(dated) // MOST_HEADERS)
    for index, file in enumerate(dated):
        header = headers.get(file) if index % every == 0 or cadence is None else headers.read.get(file.path)
        cadence = header.cadence if header else cadence
        groups.setdefault(cadence, []).append(file)
    for file in undated[:MOST_SUSPECTS]:
        header = headers.get(file)
        groups.setdefault(header.cadence if header else cadence, []).append(file)
    groups.setdefault(cadence, []).extend(undated[MOST_SUSPECTS:])
    return groups


def _one(product, cadence, files, headers, name, is_only):
    """What there is of one cadence."""
    dated = [file for file in files if file.mark is not None]
    marks = np.array([file.mark for file in dated])
    if is_only:
        cadence = _true_cadence(product, cadence, marks)
    ends = [_start(dated[at], headers) if dated else None for at in (0, -1)]
    gaps, missing, same_time = (), None, 0
    if cadence or product == 'tica':
        apart = np.diff(marks) * 86400 / cadence if product == 'spoc' else np.diff(marks)
        steps = np.rint(apart).astype(int)
        same_time = int((steps == 0).sum())
        gaps = tuple(Gap(name(dated[at].path), name(dated[at + 1].path), int(steps[at]) - 1,
                         round(float(steps[at] - 1) * (cadence or 0) / 86400, 4))
                     for at in np.flatnonzero(steps > 1))
        missing = sum(gap.frames for gap in gaps) if dated else None
    return Frames(
        product, cadence, len(files), 0, *ends, *(at and frame_names.utc_text(at) for at in ends),
        missing, gaps, same_time, len(files) - len(dated),
        sum(file.path in headers.read for file in files), sum(file.entry.size for file in files))


def _true_cadence(product, cadence, starts):
    """The cadence that is stated, or the step of the names where they contradict it, s."""
    if cadence is None or product != 'spoc':
        return cadence
    starts = np.unique(starts)
    # the median of an odd number of steps is one of them, not a mean of one with a gap and one without
    return round(ffi.cadence_of_times(starts[:len(starts) - len(starts) % 2], cadence))


def _start(file, headers):
    """Spacecraft time at which a frame begins: by its header, else by its name; None where neither tells."""
    header = headers.read.get(file.path)
    if header:
        return round(header.time_start - header.timecorr, 6)
    start = frame_names.start_time(file.path)
    return None if start is None else round(start, 6)
