"""The stage that makes a movie of a CCD, of a camera or of a star from its cubes."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from photometry import cli
from photometry.core.errors import DrainedError
from photometry.report import movie_file
from photometry.stages import movie_frames, movie_plan, star_movie

logger = logging.getLogger(__name__)


def make_movie(folder, output=None, *, sector=None, camera=None, ccd=None, cadence=None, cube=None,
               starid=None, lightcurves=None, show=('images',), cadences=None, stride=1, size=512, fps=20,
               jobs=1, overwrite=False) -> Path:
    """Make a movie; one that stands is left alone.

    Parameters
    ----------
    folder : path-like
        Where cubes lie.
    output : path-like, optional
        Movie, ending in .mp4 or .gif; by default named after what it shows, in the working directory.
    sector, camera, ccd : sequence of int, optional
        Filters.
    cadence : int, optional
        Seconds.
    cube : path-like, optional
        This very cube.
    starid : int, optional
        A movie of this star.
    lightcurves : path-like, optional
        Where its light curve lies.
    show : sequence of str
        Of `photometry.stages.movie_plan.SHOWN`, side by side.
    cadences : (int, int), optional
        First and last cadence number.
    stride, size, fps, jobs : int
        Every how many-th cadence; dots along an image; frames a second; processes.
    overwrite : bool

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputMissingError, InputBadError
        Without cubes that can be used, or without ffmpeg.
    UsageError
        When it is not clear which cubes are meant, or the name is none of a movie.
    OutputError
        When the movie cannot be written; then there is none.
    """
    if output is not None and _stands(Path(output), overwrite):
        return Path(output)
    movie_file.find_ffmpeg()
    filters = {'sector': sector, 'camera': camera, 'ccd': ccd, 'cadence': cadence, 'cube': cube}
    with contextlib.ExitStack() as opened:
        if starid is None:
            sources = movie_plan.choose_cubes(folder, **filters)
            opened.callback(movie_plan.close, sources)
            plan, depth = movie_plan.of_ccds(sources, show, size, cadences, stride), sources[0].info.chunks[2]
            name = _name(sources)
        else:
            plan, depth, name = star_movie.plan_of(folder, starid, lightcurves, show, size, cadences, stride,
                                                   filters, opened)
    path = Path(output or f'{name}.mp4')
    if output is None and _stands(path, overwrite):
        return path
    _write(path, plan, depth, fps, jobs)
    return path


def _stands(path, overwrite):
    movie_file.check_name(path)
    if path.exists() and not overwrite:
        logger.warning('%s stands and is left alone; --overwrite makes it again.', path)
        return True
    return False


def _name(sources):
    """Name of a movie by what it shows."""
    info = sources[0].info
    name = f'sector{info.sector:03d}_camera{info.camera}'
    return name + (f'_ccd{info.ccd}' if len(sources) == 1 else '')


def _write(path, plan, depth, fps, jobs):
    count = plan.index.shape[1]
    logger.info('%s: %d frames of %d x %d dots.', path, count, *plan.layout.size)
    try:
        with (contextlib.closing(movie_frames.frames(plan, depth, jobs)) as pictures,
              movie_file.writer(path, plan.layout.size, fps, jobs) as take):
            for picture in cli.progress(pictures, count, path.name):
                take(picture)
    except DrainedError as error:
        raise DrainedError('A process was killed, perhaps for want of memory; give the command again, with '
                           'fewer --jobs.') from error
