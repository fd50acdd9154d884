"""What is known of a field before its frames are worked through: stars, mean image, background layout."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass

import numpy as np

from photometry.algorithms import background_survey, backgrounds, badpixels
from photometry.algorithms.prf import PRF
from photometry.catalogs import same_sky
from photometry.core import quality
from photometry.core.coordinates import SCIENCE
from photometry.core.errors import InputBadError, InputMissingError
from photometry.files import catalog, paths, wcs
from photometry.files.prf import load_prf
from photometry.stages.prepare import placing

logger = logging.getLogger(__name__)

_REFERENCE_FRAMES = 7
"""Frames of which the reference image is the mean."""


@dataclass(frozen=True)
class Stars:
    """Catalogue stars near the pixels, with their places in the reference frame."""

    row: np.ndarray
    column: np.ndarray
    tmag: np.ndarray
    ra: np.ndarray
    dec: np.ndarray


@dataclass(frozen=True)
class Field:
    """One CCD or cutout."""

    stars: Stars
    ref_frame: int
    wcs_texts: tuple[str, ...]
    """Of every frame; emptied where the WCS contradicts the others."""
    tracks: np.ndarray | None
    """(2, places, frames) rows and columns that the WCS of each frame gives some directions."""
    survey: background_survey.Survey
    prf: PRF
    image: np.ndarray
    """Mean of some frames, sky included, e-/s."""
    saturated: np.ndarray
    """Pixels at full well in that image."""

    def subset(self, kept) -> Field:
        """The same for some of the frames; another reference frame where that one is not among them."""
        texts = tuple(self.wcs_texts[index] for index in kept)
        tracks = None if self.tracks is None else self.tracks[:, :, kept]
        if self.ref_frame in kept:
            place = kept.index(self.ref_frame)
            return dataclasses.replace(self, wcs_texts=texts, tracks=tracks, ref_frame=place)
        ref_frame = placing.reference(texts, np.ones(len(texts), bool))
        stars = self.stars
        if not texts[ref_frame]:
            texts = _with_text(texts, ref_frame, self.wcs_texts[self.ref_frame])
        else:
            row, column = wcs.sky_to_pixel(wcs.wcs_from_text(texts[ref_frame]), stars.ra, stars.dec)
            stars = dataclasses.replace(stars, row=row, column=column)
        return dataclasses.replace(self, wcs_texts=texts, tracks=tracks, ref_frame=ref_frame, stars=stars)


def find_catalog(folder, key):
    """The catalogue of a CCD.

    Raises
    ------
    InputMissingError
        When there is none; the message has the command that makes it.
    InputBadError
        When the one found belongs to another CCD.
    """
    sector, camera, ccd = key
    found = paths.find_catalogs(folder, sector, camera, ccd)
    if not found:
        raise InputMissingError(
            f'{folder} has no {paths.catalog_name(*key)}; make it with '
            f'run_make_catalog.py {sector} {folder} --camera {camera} --ccd {ccd}.')
    path = found[0].path
    made = catalog.read_catalog(path)
    if made.info.ccd_key != key:
        raise InputBadError('{} is the catalogue of sector {}, camera {}, CCD {}; rename it or make the '
                            'right one with run_make_catalog.py.'.format(path, *made.info.ccd_key))
    return path, made


def look(source, stars_of, settings, job, workers=1, catalog_path='the catalogue') -> Field:
    """Place the stars, check the WCS against them, and survey the background.

    Parameters
    ----------
    source : FrameSource
    stars_of : photometry.files.catalog.Catalog
    settings : photometry.settings.PrepareSettings
    job : photometry.stages.prepare.selection.Job
    workers : int
    catalog_path : path-like
        What messages call the catalogue.

    Raises
    ------
    InputBadError
        When no frame can be read, the WCS is wrong, or the catalogue is of
        another part of the sky.
    """
    texts, tracks = placing.consistent(source, workers)
    good = quality.good([frame.quality for frame in source.frames])
    ref_frame = placing.reference(texts, good)
    made = placing.reference_wcs(texts[ref_frame], job)
    same_sky.require_same_sky(catalog_path, stars_of, made, source.limits, source.names[ref_frame])
    image = _reference_image(source, good, job.label)
    prf = PRF(load_prf(*job.key))
    bad = badpixels.excluded(source.limits, *job.key, source.frames[ref_frame].time)

    def placed(pointing):
        stars = _stars(stars_of.stars, pointing, source.limits)
        layout = backgrounds.BackgroundLayout(source.limits, settings.mesh,
                                              _camera_centre(stars_of.info, pointing, source))
        survey = background_survey.survey(image, layout, stars.row, stars.column, stars.tmag, prf, bad)
        return stars, survey, image - backgrounds.evaluate(survey.layout, survey.fit.parameters)

    stars, survey, starlight = placed(made)
    if not texts[ref_frame]:
        made = placing.put_right(made, starlight, survey.light, source.limits, stars)
        stars, survey, starlight = placed(made)
        # photometry places its stars by the WCS of the reference frame
        texts = _with_text(texts, ref_frame, wcs.wcs_to_text(made))
    placing.check_against_stars(starlight, survey.light, source.limits, stars, job, source.names[ref_frame])
    return Field(stars, ref_frame, texts, tracks, survey, prf, image, badpixels.saturated(image))


def _with_text(texts, frame, text):
    return (*texts[:frame], text, *texts[frame + 1:])


def _stars(rows, made, limits, margin=70):
    """Stars on the pixels or so near that their wings reach them."""
    tmag = np.asarray(rows['tmag'], dtype='f8')
    ra, dec = np.asarray(rows['ra'], dtype='f8'), np.asarray(rows['decl'], dtype='f8')
    row, column = wcs.sky_to_pixel(made, ra, dec)
    near = (np.isfinite(tmag) & (row > limits.row_min - margin) & (row < limits.row_max + margin)
            & (column > limits.col_min - margin) & (column < limits.col_max + margin))
    if not near.any():
        logger.warning('No star of the catalogue lies near the pixels.')
    return Stars(row[near], column[near], tmag[near], ra[near], dec[near])


def _camera_centre(info, made, source):
    """Place of the camera's axis on this CCD, for whole CCDs only."""
    if source.is_cutout or not np.isfinite([info.camera_centre_ra, info.camera_centre_dec]).all():
        return None
    row, column = wcs.sky_to_pixel(made, info.camera_centre_ra, info.camera_centre_dec)
    place = float(row[0]), float(column[0])
    inside = SCIENCE.grown(300, 300, 300, 300).contains(*place) if np.isfinite(place).all() else False
    return place if inside else None


def _reference_image(source, good, label):
    """Mean of some frames spread over the time, NaN where none has a value."""
    usable = np.flatnonzero(good)
    if not len(usable):
        usable = np.arange(len(source.frames))
    total, number = np.zeros(source.limits.shape), np.zeros(source.limits.shape, int)
    count = 0
    for index in _spread(usable):
        try:
            image = source.read(index)[0]
        except (InputBadError, InputMissingError):
            continue  # named when its turn comes
        if badpixels.empty(image):
            continue
        finite = np.isfinite(image)
        np.add(total, image, out=total, where=finite)
        number += finite
        count += 1
        if count == _REFERENCE_FRAMES:
            break
    if not count:
        raise InputBadError(f'No frame of {label} in {source.folder} has usable pixels; get the files again.')
    with np.errstate(invalid='ignore'):
        return (total / number).astype('f4')


def _spread(indices):
    """The indices, evenly spread ones first."""
    chosen = np.unique(np.linspace(0, len(indices) - 1, 2 * _REFERENCE_FRAMES + 1).round().astype(int))
    first = chosen[1::2] if len(chosen) > 2 * _REFERENCE_FRAMES else chosen
    rest = np.setdiff1d(np.arange(len(indices)), first)
    return indices[np.concatenate([first, rest])]
