"""The stage that fetches images and rows of the TIC from the archives."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from photometry import cli
from photometry.algorithms.sky import Region
from photometry.catalogs.mast import MastCatalog
from photometry.core.coordinates import from_vectors, local_axes, unit_vectors
from photometry.core.errors import (
    ArchiveDownError,
    ArchiveError,
    DrainedError,
    ExitCode,
    InputBadError,
    OutputError,
    UsageError,
)
from photometry.files import atomic, fits_checks
from photometry.files.fetch_record import FetchRecord
from photometry.stages import catalog_fields, fetch_items
from photometry.stages.prepare.drain import Drain

logger = logging.getLogger(__name__)

ENOUGH = 10
"""Files in a row whose archive does not answer, after which the others are left for another time."""

_ASKED = 8
"""Files of which the size is asked for, to know that of all."""

_SAYING = 60.0
"""Seconds between lines about progress where no bar shows it."""

_PLACE = 0.05
"""Half the side of the square around a place of which the TIC is asked, deg: a stamp of 17 px."""

_FIELD_RIM = 0.1
"""deg by which the TIC is asked for more than a catalogue needs, for images that point a little beside."""


@dataclass
class Report:
    """What came of it."""

    found: dict = field(default_factory=dict)
    """Files by group."""
    stood: int = 0
    fetched: int = 0
    bytes: int = 0
    """That came over the network."""
    missing: int = 0
    """Files to be fetched."""
    expected: int | None = None
    """Bytes of those, about; None when nobody says."""
    problems: list = field(default_factory=list)

    @property
    def exit_code(self) -> ExitCode:
        """Of the program."""
        return ExitCode.FAILED_TASKS if self.problems else ExitCode.DONE


def fetch(folder, archives, choice, *, dry_run=False, overwrite=False) -> Report:
    """Fetch files; those that stand and are sound stay.

    Parameters
    ----------
    folder : path-like
        INPUT; made where it is missing.
    archives : photometry.files.archives.Archives
    choice : photometry.stages.fetch_items.Choice
    dry_run : bool
        Only find out what there is and how large it is.
    overwrite : bool
        Fetch again what stands.

    Raises
    ------
    DrainedError, KeyboardInterrupt
        After a signal; the same command continues.
    UsageError, InputMissingError, ArchiveError, OutputError
        When nothing can be fetched at all.
    """
    folder = atomic.make_directory(Path(folder))
    with Drain(archives.web.stop.set) as drain:
        work = _Work(folder, archives, overwrite, Report())
        try:
            work.plan(fetch_items.find_items(archives, choice))
            if not dry_run:
                work.check_space()
                work.run()
            return work.report
        except DrainedError:
            logger.info('So far: %d fetched, %d stood already.', work.report.fetched, work.report.stood)
            drain.check()
            raise


class _Work:
    """The files of one run, and what comes of them."""

    def __init__(self, folder, archives, overwrite, report):
        self.folder, self.archives, self.overwrite, self.report = folder, archives, overwrite, report
        self.record = FetchRecord(folder)
        self._todo = []

    def plan(self, items):
        """Find out which files stand, and how large the others are."""
        standing = fetch_items.Standing(self.folder)
        for item in items:
            self.report.found[item.label] = self.report.found.get(item.label, 0) + 1
            present = item.find(standing)
            if present is not None and not self.overwrite and self.record.knows(present):
                self.report.stood += 1
            else:
                self._todo.append((item, present))
        new = [item for item, present in self._todo if present is None or self.overwrite]
        self.report.missing, self.report.expected = len(new), self._expected(new)

    def _expected(self, items):
        """Bytes of files in all, from the sizes of a few."""
        if not items:
            return 0
        if all(item.guess is not None for item in items):
            return sum(item.guess for item in items)
        chosen = [items[k] for k in np.unique(np.linspace(0, len(items) - 1, _ASKED).astype(int))]
        sizes = [size for size in self.archives.all_of(lambda item: self.archives.web.size(item.urls), chosen)
                 if size is not None]
        return round(np.mean(sizes) * len(items)) if sizes else None

    def check_space(self):
        """Refuse to begin what the disk cannot hold."""
        free = shutil.disk_usage(self.folder).free
        if self.report.expected is not None and self.report.expected > free:
            raise OutputError(f'Cannot fetch {self.report.missing} files to {self.folder}: they have about '
                              f'{self.report.expected / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; free '
                              'some space, name another INPUT, or choose less.')

    def run(self):
        """Fetch side by side; problems of single files are noted, and the others go on."""
        in_a_row, said = 0, time.monotonic()
        with contextlib.closing(self.archives.side_by_side(self._one, self._todo)) as ended:
            for (item, _), future in cli.progress(ended, len(self._todo), 'Fetching'):
                in_a_row = self._note(item, future, in_a_row)
                if time.monotonic() - said > _SAYING and not sys.stderr.isatty():
                    said = time.monotonic()
                    logger.info('So far: %d fetched (%.3g GB), %d stood already, of %d.', self.report.fetched,
                                self.report.bytes / 1e9, self.report.stood, sum(self.report.found.values()))
                if in_a_row >= ENOUGH:
                    self.archives.web.stop.set()
                    raise DrainedError(f'Stopped early: {ENOUGH} files in a row could not be fetched; the '
                                       'same command continues.')

    def _note(self, item, future, in_a_row):
        """Count what came of a file; returns how many in a row have met an archive that does not answer."""
        try:
            read = future.result()
        except ArchiveError as error:
            logger.error('%s: %s', item.path.name, error)
            self.report.problems.append(str(error))
            return in_a_row + 1 if isinstance(error, ArchiveDownError) else 0
        self.report.bytes += read or 0
        self.report.stood += read is None
        self.report.fetched += read is not None
        return 0

    def _one(self, job):
        """Bytes that came for one file; None when it stood and was sound."""
        item, present = job
        self.archives.web.check()
        if present is not None and not self.overwrite:
            try:
                fits_checks.check_whole(present)
                self.record.add(present)
                return None
            except InputBadError as error:
                logger.warning('%s It is fetched again.', error)
        path = present if present is not None and present.suffix != '.gz' else self.folder / item.path
        atomic.make_directory(path.parent)
        read = item.fetch(path)
        self.record.add(path)
        return read


def fetch_stars(folder, archives, choice, settings, *, dry_run=False) -> Report:
    """Fetch the rows of the TIC that catalogues will need, into the directory of answers.

    Parameters
    ----------
    choice : photometry.stages.fetch_items.Choice
        CCDs of one sector, or stars or places.
    settings : photometry.settings.CatalogSettings
        Rim and limit of the catalogues.

    Raises
    ------
    As `fetch` does.
    """
    folder = atomic.make_directory(Path(folder))
    source, report = MastCatalog(archives), Report()
    with Drain(archives.web.stop.set) as drain:
        try:
            for label, region in _regions(folder, archives, choice, settings.buffer):
                cells = source.cells(region)
                at_hand = sum(source.is_at_hand(cell, settings.faint_limit) for cell in cells)
                report.found[label] = len(cells)
                report.stood += at_hand
                report.missing += len(cells) - at_hand
                if not dry_run:
                    archives.all_of(lambda cell: source.read_cell(cell, settings.faint_limit), cells)
                    report.fetched += len(cells) - at_hand
        except DrainedError:
            drain.check()
            raise
    return report


def _regions(folder, archives, choice, buffer):
    """(label, region) of the fields of CCDs, or of the surroundings of places."""
    if choice.is_listed:
        places = [*choice.places, *fetch_items.find_places(archives, choice.starids)]
        yield 'places', Region(tuple(_square(ra, dec) for ra, dec in places), buffer)
        return
    if not choice.sectors:
        raise UsageError('Say of which sector, stars or places: run_fetch.py tic --sector N, --targets FILE '
                         'or --position RA DEC.')
    for sector in choice.sectors:
        for found in catalog_fields.find_fields(folder, sector, choice.cameras, choice.ccds):
            yield found.words, Region(found.polygons, buffer + _FIELD_RIM)


def _square(ra, dec):
    """Corners around a place, also at a pole."""
    centre, (east, north), half = unit_vectors(ra, dec), local_axes(ra, dec), np.deg2rad(_PLACE)
    return np.stack(from_vectors([centre + half * (x * east + y * north)
                                  for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]), axis=1)
