"""Which part of the sky the images below INPUT show, one field a CCD."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass

import numpy as np

from photometry.core import ranks
from photometry.core.coordinates import CAMERA_CENTRE_COLUMN, CAMERA_CENTRE_ROW, SCIENCE
from photometry.core.errors import InputBadError, InputMissingError
from photometry.files import frames, paths, schema, sector_wcs, tesscut
from photometry.files import wcs as wcs_file
from photometry.stages import target_files

logger = logging.getLogger(__name__)

BTJD = 2457000.0

SMALL = 64
"""Rows and columns up to which corners alone make the outline: there may be a thousand such fields."""


@dataclass(frozen=True)
class Field:
    """The sky on one CCD in one sector."""

    sector: int
    camera: int
    ccd: int
    polygons: tuple
    """Outlines, arrays (points, 2) of (ra, dec) in deg."""
    start: float
    """First and last time, JD."""
    end: float
    camera_centre: tuple[float, float]
    inputs: tuple = ()
    """Files that told: tuple of `files.schema.InputFile`."""

    @property
    def ccd_key(self) -> tuple[int, int, int]:
        """(sector, camera, ccd)."""
        return self.sector, self.camera, self.ccd

    @property
    def words(self) -> str:
        """The CCD for messages."""
        return f'sector {self.sector}, camera {self.camera}, CCD {self.ccd}'


def find_fields(directory, sector, camera=None, ccd=None, rank=ranks.ALONE):
    """Fields of the CCDs whose images lie below a directory.

    Where no image of the sector passes the filters, the fields of all CCDs
    that pass them, from the pointing of the sector.

    Parameters
    ----------
    directory : path-like
    sector : int
    camera, ccd : int or sequence of int, optional
        Filters.
    rank : photometry.core.ranks.Rank
        Which share of the CCDs is wanted.

    Yields
    ------
    Field

    Raises
    ------
    InputMissingError
        When no image lies there and the pointing of the sector is not known.
    InputBadError
        When none of the images of a CCD can be used.
    """
    found = {}
    for number, kind in enumerate((paths.find_ffis, paths.find_tesscuts)):
        for item in kind(directory, sector, camera, ccd):
            found.setdefault(item.ccd_key, ([], [], []))[number].append(item.path)
    for key, files in target_files.by_ccd(directory, sector, camera, ccd).items():
        found.setdefault(key, ([], [], []))[2].extend(files)
    if found:
        for key, files in rank.share(sorted(found.items())):
            yield field_of(key, *files)
        return
    wanted = [tuple(np.atleast_1d(choice).tolist()) if choice else (1, 2, 3, 4) for choice in (camera, ccd)]
    for key in rank.share(list(itertools.product((sector,), *wanted))):
        yield pointed_field(key)


def pointed_field(key):
    """The field of a CCD from the pointing of its sector alone."""
    made = sector_wcs.sector_wcs(*key)
    return Field(*key, (wcs_file.footprint(made, SCIENCE),), *sector_wcs.sector_times(key[0]),
                 sector_wcs.camera_centre(*key[:2]))


def field_of(key, ffis, cuts, targets=()):
    """The field of a CCD from its FFIs, its TESSCut files and its target pixel files.

    Target pixel files on the FFIs add nothing.
    """
    views = list(_ffi_views(ffis))
    covered = any(view.stamp == SCIENCE for view in views)
    views += itertools.chain(_cut_views(cuts), () if covered else _target_views(targets))
    if not views:
        files = [*ffis, *cuts, *targets]
        raise InputBadError(f'None of the {len(files)} images of sector {key[0]}, '
                            f'camera {key[1]}, CCD {key[2]} can be used, the first being {files[0]}.')
    views = [view if view.wcs_text else view.with_pointing(key) for view in views]
    return Field(*key, tuple(view.outline for view in views),
                 min(view.start for view in views) + BTJD, max(view.end for view in views) + BTJD,
                 _camera_centre(key, views[0]),
                 tuple(sorted(entry for view in views for entry in view.inputs)))


@dataclass(frozen=True)
class _View:
    """What the headers of a few frames with one stamp say."""

    name: str
    wcs_text: str
    stamp: object
    start: float
    end: float
    inputs: tuple
    pointing: object = None

    @property
    def wcs(self):
        """The WCS of the frames, else the mean one of the sector."""
        return self.pointing or wcs_file.wcs_from_text(self.wcs_text, self.name)

    @property
    def outline(self):
        """(ra, dec) of its edges, (points, 2), deg."""
        small = max(self.stamp.shape) <= SMALL
        return wcs_file.footprint(self.wcs, self.stamp, *((2,) if small else ()))

    def with_pointing(self, key):
        """The same with the mean WCS of the sector."""
        logger.warning('%s has no WCS; the pointing of sector %d serves.', self.name, key[0])
        return _View(self.name, '', self.stamp, self.start, self.end, self.inputs,
                     sector_wcs.predicted_wcs(*key))


def _ffi_views(ffis):
    """One view of all FFIs of SPOC, else of TICA: the first, the middle and the last that can be used."""
    for product in paths.PRODUCTS:
        found = _some_frames(sorted((path for path in ffis if paths.product_of(path) == product),
                                    key=lambda path: path.name))
        if found:
            pointed = next((frame for _, frame in found if frame.wcs_text), found[0][1])
            yield _View(pointed.name, pointed.wcs_text, pointed.limits, min(f.time_start for _, f in found),
                        max(f.time_stop for _, f in found),
                        tuple(_entry(path, frame) for path, frame in found))
            return


def _some_frames(ffis):
    """(path, header) of the first, the middle and the last, and of one with a WCS if they have none."""
    places = sorted({0, len(ffis) // 2, len(ffis) - 1}) if ffis else []
    found = [frame for frame in map(_usable_ffi, (ffis[k] for k in places)) if frame]
    if not any(frame.wcs_text for _, frame in found):
        rest = (path for k, path in enumerate(ffis) if k not in places)
        spare = next((frame for frame in map(_usable_ffi, rest) if frame and frame[1].wcs_text), None)
        found += [spare] if spare else []
    return found


def _usable_ffi(path):
    try:
        return path, frames.read_header(path)
    except InputBadError as error:
        logger.warning('%s', error)
        return None


def _entry(path, frame):
    return schema.InputFile(path.name, frame.size, frame.datasum)


def _cut_views(cuts):
    for path in cuts:
        try:
            cut = tesscut.read_tesscut_header(path)
        except InputBadError as error:
            logger.warning('%s', error)
            continue
        yield _View(path.name, cut.wcs_text, cut.stamp, cut.time_start, cut.time_stop,
                    (schema.InputFile(path.name, cut.size, cut.datasum),))


def _target_views(targets):
    for header in target_files.headers(targets):
        yield _View(header.path.name, header.wcs_text, header.stamp, header.time_start, header.time_stop,
                    (header.as_input(header.path.name),))


def _camera_centre(key, view):
    """Axis of the camera: from the table of the sectors, else by extrapolating a WCS."""
    try:
        return sector_wcs.camera_centre(*key[:2])
    except InputMissingError:
        ra, dec = wcs_file.pixel_to_sky(view.wcs, CAMERA_CENTRE_ROW, CAMERA_CENTRE_COLUMN[key[2]])
        return float(ra), float(dec)
