"""What a movie shows: which cubes, which cadences, in which colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from photometry.algorithms import binning
from photometry.core import quality
from photometry.core.coordinates import is_turned, on_camera, to_one_based
from photometry.core.errors import InputMissingError, UsageError
from photometry.core.stamp import Stamp
from photometry.files import frame_names, paths
from photometry.pixels.ffi import CubeSource
from photometry.report.movie_picture import Layout, Panel
from photometry.stages.movie_frames import Part, Plan

SHOWN = {'images': 'images', 'raw': 'raw', 'backgrounds': 'backgrounds', 'flags': 'pixel_flags'}
"""Words for what may be shown, with the layers behind them."""

TITLES = {'images': 'Images less background', 'raw': 'Images', 'backgrounds': 'Backgrounds',
          'pixel_flags': 'Pixel flags'}

ROOM = 1.05
"""By how much an image may be larger than the size asked for: the CCDs of a camera have gaps between them."""

GRID = 5
"""Places along an axis whose backgrounds tell the range of the colours."""


def choose_cubes(folder, sector=None, camera=None, ccd=None, cadence=None, cube=None):
    """Open the cube of a CCD, or those of a camera.

    Returns
    -------
    list of photometry.pixels.ffi.CubeSource
        One, or several of different CCDs of a camera.

    Raises
    ------
    InputMissingError
        When there is none.
    UsageError
        When there are several and nothing says which are meant.
    """
    if cube is not None:
        return [CubeSource(cube)]
    found = paths.find_cubes(folder, sector, camera, ccd)
    sources = [CubeSource(item.path) for item in found]
    chosen = [source for source in sources if cadence in (None, source.info.cadence)]
    try:
        _check(folder, chosen, asked_for_ccd=bool(ccd))
    except (InputMissingError, UsageError):
        close(sources)
        raise
    close(source for source in sources if source not in chosen)
    return sorted(chosen, key=lambda source: source.info.ccd)


def close(sources):
    """Close some sources."""
    for source in sources:
        source.close()


def _check(folder, sources, asked_for_ccd):
    if not sources:
        raise InputMissingError(f'No cube that passes the filters lies below {folder}; make it with '
                                'run_prepare_photometry.py, or ask for another one.')
    ccds = {_key(source) for source in sources}
    cameras = {(*key[:2], cadence) for *key, cadence in ccds}
    if len(ccds) < len(sources):
        raise UsageError(f'{sources[0].path.name} is one of several cubes of the same CCD; name one with '
                         '--cube.')
    if len(cameras) > 1 or (asked_for_ccd and len(ccds) > 1):
        words = '; '.join(f'sector {sector}, camera {camera}, {cadence} s'
                          for sector, camera, cadence in sorted(cameras))
        raise UsageError(f'A movie shows one CCD, or the CCDs of one camera; here are several ({words}): '
                         'choose with --sector, --camera, --ccd and --cadence.')


def _key(source):
    info = source.info
    return info.sector, info.camera, info.ccd, info.cadence


def of_ccds(sources, show, size, cadences=None, stride=1):
    """The plan of a movie of one CCD, or of those of a camera in their places.

    Parameters
    ----------
    sources : list of photometry.pixels.ffi.CubeSource
    show : sequence of str
        Keys of `SHOWN`.
    size : int
        Dots along the longer side of an image, at most by a few per cent.
    cadences : (int, int), optional
        First and last cadence number.
    stride : int
        Every how many-th of them.

    Returns
    -------
    Plan
    """
    parts, step, layout = _one(sources[0], size) if len(sources) == 1 else _camera(sources, size)
    return assemble(sources, parts, step, layout, show, cadences, stride)


def assemble(sources, parts, step, layout, show, cadences=None, stride=1):
    """The `Plan` of parts that have their places on a layout."""
    number = _select(sources, cadences, stride)
    index = np.stack([_index_in(source, number) for source in sources])
    layers = tuple(SHOWN[word] for word in dict.fromkeys(show))
    panels = _panels(sources, parts, layers, step, index)
    return Plan(parts, layers, step, replace(layout, panels=panels), index, _words(sources, index, number))


def scales(shape, size):
    """Pixels of a bin, a power of two, and dots along its side, for an image (rows, columns) of a size."""
    longest, step = max(shape), 1
    while longest > ROOM * size * step:
        step *= 2
    return step, max(1, size // longest)


def one_based_extent(stamp):
    """Edges of a stamp as a layout has them, in the rows and columns of files."""
    return (to_one_based(stamp.col_min) - 0.5, to_one_based(stamp.col_max) - 0.5,
            to_one_based(stamp.row_min) - 0.5, to_one_based(stamp.row_max) - 0.5)


def _one(source, size):
    stamp, info = source.limits, source.info
    step, zoom = scales(stamp.shape, size)
    shape = tuple(-(-side // step) for side in stamp.shape)
    left, _, low, _ = one_based_extent(stamp)
    extent = left, left + step * shape[1], low, low + step * shape[0]  # the last bins may be smaller
    title = f'TESS sector {info.sector}, camera {info.camera}, CCD {info.ccd}'
    return (Part(str(source.path), stamp),), step, Layout(shape, zoom, extent, (), title)


def _camera(sources, size):
    """The CCDs where they lie on the focal plane."""
    corners = np.array([_corners(source) for source in sources])
    low, high = corners[:, 0].min(axis=0), corners[:, 1].max(axis=0)
    step, zoom = scales(high - low + 1, size)
    first = np.round((corners[:, 0] - low) / step).astype(int)
    sides = np.array([[-(-side // step) for side in source.limits.shape] for source in sources])
    shape = tuple(map(int, (first + sides).max(axis=0)))
    parts = tuple(Part(str(source.path), source.limits, tuple(map(int, corner)), is_turned(source.info.ccd))
                  for source, corner in zip(sources, first, strict=True))
    labels = tuple((*map(float, (corner + 0.5 * side)[::-1]), f'CCD {source.info.ccd}')
                   for source, corner, side in zip(sources, first, sides, strict=True))
    info = sources[0].info
    return parts, step, Layout(shape, zoom, (0, shape[1], 0, shape[0]), (), labels=labels, axes=False,
                               title=f'TESS sector {info.sector}, camera {info.camera}')


def _corners(source):
    """Lower left and upper right pixel of a cube on the focal plane, px up and right: (2, 2)."""
    stamp = source.limits
    places = on_camera(source.info.ccd, [stamp.row_min, stamp.row_max - 1],
                       [stamp.col_min, stamp.col_max - 1])
    return np.sort(np.stack(places, axis=1), axis=0)


def _select(sources, cadences, stride):
    """The cadence numbers that are shown, of whichever CCD."""
    number = np.unique(np.concatenate([source.cadenceno for source in sources]))
    if cadences is not None:
        kept = number[(number >= cadences[0]) & (number <= cadences[1])]
        if not kept.size:
            raise InputMissingError(f'{sources[0].path} has the cadences {number[0]} to {number[-1]}, none '
                                    f'of {cadences[0]}:{cadences[1]}; choose others with --cadences.')
        number = kept
    return number[::stride]


def _index_in(source, number):
    """Places of cadence numbers among those of a cube; -1 for those that it has not."""
    place = np.minimum(np.searchsorted(source.cadenceno, number), source.cadenceno.size - 1)
    return np.where(source.cadenceno[place] == number, place, -1)


def _words(sources, index, number):
    """Lines about each frame: cadence, time, flags."""
    made = []
    for frame, cadenceno in enumerate(number):
        having = [(source, at) for source, at in zip(sources, index[:, frame], strict=True) if at >= 0]
        source, at = having[0]
        flags = int(np.bitwise_or.reduce([source.quality[at] for source, at in having]))
        moment = source.time[at] - source.timecorr[at]
        made.append((f'cadence {cadenceno}, frame {frame + 1} of {len(number)}',
                     f'{frame_names.utc_text(float(moment))} UTC, BTJD {source.time[at]:.5f}',
                     'flags: ' + (', '.join(quality.words(flags)) or 'none')))
    return made


def _panels(sources, parts, layers, step, index):
    """The `Panel` of each layer, with a range of colours that holds in all frames."""
    low, high = _background_range(sources, parts, index)
    sky = _image_range(sources, parts, step)
    made = {'images': Panel(TITLES['images'], 'asinh', sky[0] - 3 * sky[1], sky[2], sky[1]),
            'raw': Panel(TITLES['raw'], 'log', max(low, 1.0), max(high, 1.0) + sky[2]),
            'backgrounds': Panel(TITLES['backgrounds'], 'linear', low, high),
            'pixel_flags': Panel(TITLES['pixel_flags'], 'flags')}
    return tuple(made[layer] for layer in layers)


def _image_range(sources, parts, step):
    """Median, scatter and nearly the highest value of the binned mean images, e-/s."""
    values = np.concatenate([binning.mean(source.sumimage(part.stamp)[..., None], step).ravel()
                             for source, part in zip(sources, parts, strict=True)])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0, 10.0
    median = float(np.median(values))
    scatter = max(1.4826 * float(np.median(np.abs(values - median))), 0.1)
    return median, scatter, max(float(np.percentile(values, 99.8)), median + 10 * scatter)


def _background_range(sources, parts, index):
    """The range of the backgrounds, by a grid of places in the good cadences shown, e-/s."""
    values = []
    for source, part, cadences in zip(sources, parts, index, strict=True):
        shown = cadences[cadences >= 0]
        kept = shown[source.good[shown]] if source.good[shown].any() else shown
        rows, columns = (np.linspace(first, last - 1, GRID).astype(int)
                         for first, last in (part.stamp[:2], part.stamp[2:]))
        values += [source.read('backgrounds', Stamp(row, row + 1, column, column + 1))[0, 0, kept]
                   for row in rows for column in columns]
    values = np.concatenate(values)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = map(float, np.percentile(values, [0.5, 99.5]))
    return low, max(high, low + 1.0)
