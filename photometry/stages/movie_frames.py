"""The frames of a movie: pixels of cubes read along time, binned, drawn, in order."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photometry.core.stamp import Stamp
from photometry.pixels import binned
from photometry.pixels.ffi import CubeSource
from photometry.report.movie_picture import Layout, MoviePicture
from photometry.stages.prepare.pool import FramePool

MOST_BYTES = 256 << 20
"""Binned images that are in memory at a time: cubes are read along time, frames are drawn across it."""


@dataclass(frozen=True)
class Part:
    """A cube and where its pixels are on the images of the movie."""

    path: str
    stamp: Stamp
    """Pixels that are shown."""
    corner: tuple[int, int] = (0, 0)
    """Row and column on the image, in bins, of its lower left bin."""
    turned: bool = False
    """Whether it stands on its head."""


@dataclass(frozen=True)
class Plan:
    """What a movie shows.

    Attributes
    ----------
    parts : tuple of Part
    layers : tuple of str
        A layer of `photometry.pixels.binned.read` for each panel.
    step : int
        Pixels of a bin.
    layout : photometry.report.movie_picture.Layout
    index : ndarray (parts, frames) of int
        Cadence of each part that a frame shows; -1 for none.
    words : list of tuple of str
        Lines about each frame.
    star : ndarray (frames, 4), optional
        As `photometry.report.movie_picture.MoviePicture.frame` takes it.
    """

    parts: tuple[Part, ...]
    layers: tuple[str, ...]
    step: int
    layout: Layout
    index: np.ndarray
    words: list
    star: np.ndarray | None = None

    def blocks(self, depth):
        """Slices of frames that fit into memory together, by whole chunks of so many cadences."""
        height, width = self.layout.shape
        most = max(1, MOST_BYTES // (4 * height * width * len(self.layers)))
        most -= most % depth if most > depth else 0
        count = self.index.shape[1]
        return [slice(start, min(start + most, count)) for start in range(0, count, most)]


@dataclass(frozen=True)
class Tile:
    """A piece of reading."""

    part: int
    layer: str
    stamp: Stamp
    cadences: np.ndarray


@dataclass(frozen=True)
class Frame:
    """A piece of drawing."""

    images: tuple
    words: tuple
    star: tuple | None


class FrameMaker:
    """Reads tiles and draws frames, in whichever process.

    Parameters
    ----------
    plan : Plan
    """

    def __init__(self, plan):
        self.plan = plan

    @cached_property
    def sources(self):
        """The cubes, open."""
        return [CubeSource(part.path) for part in self.plan.parts]

    @cached_property
    def picture(self):
        """What draws."""
        return MoviePicture(self.plan.layout)

    def close(self):
        """Close the cubes."""
        for source in self.__dict__.pop('sources', ()):
            source.close()


def work(maker, item):
    """Pixels of a `Tile`, (rows, columns, times), or the picture of a `Frame`, (height, width, 3)."""
    if isinstance(item, Frame):
        return maker.picture.frame(item.images, item.words, item.star)
    return binned.read(maker.sources[item.part], item.layer, item.stamp, item.cadences, maker.plan.step)


def frames(plan, depth, jobs=1):
    """Yield the pictures of a plan in order.

    Parameters
    ----------
    plan : Plan
    depth : int
        Cadences of a chunk of the cubes.
    jobs : int
        Processes that read and draw.
    """
    with contextlib.closing(FrameMaker(plan)) as maker, FramePool(work, maker, jobs) as pool:
        for block in plan.blocks(depth):
            stacks = _read(plan, block, pool)
            for _, picture in pool.map(_drawings(plan, block, stacks)):
                yield picture


def _drawings(plan, block, stacks):
    for number, frame in enumerate(range(block.start, block.stop)):
        star = None if plan.star is None else tuple(map(float, plan.star[frame]))
        yield Frame(tuple(stack[number] for stack in stacks), plan.words[frame], star)


def _read(plan, block, pool):
    """The images of a block of frames, one array (frames, rows, columns) for each layer."""
    shape = block.stop - block.start, *plan.layout.shape
    stacks = {layer: np.full(shape, np.nan, dtype='f4') for layer in plan.layers}
    for tile, pixels in pool.map(_tiles(plan, block)):
        part = plan.parts[tile.part]
        known = plan.index[tile.part, block] >= 0
        stacks[tile.layer][known, *_place(part, tile.stamp, pixels.shape, plan.step)] = np.moveaxis(
            pixels[::-1, ::-1] if part.turned else pixels, -1, 0)
    return [stacks[layer] for layer in plan.layers]


def _tiles(plan, block):
    for number, part in enumerate(plan.parts):
        cadences = plan.index[number, block]
        cadences = cadences[cadences >= 0]
        for layer in plan.layers if cadences.size else ():
            for stamp in binned.tiles(part.stamp, plan.step):
                yield Tile(number, layer, stamp, cadences)


def _place(part, stamp, shape, step):
    """Slices of the image that hold the bins of a tile."""
    made = []
    for axis, (first, corner) in enumerate(zip(part.stamp[::2], part.corner, strict=True)):
        start = (stamp[2 * axis] - first) // step
        if part.turned:
            whole = -(-part.stamp.shape[axis] // step)
            start = whole - start - shape[axis]
        made.append(slice(corner + start, corner + start + shape[axis]))
    return made
