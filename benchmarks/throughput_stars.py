"""Throughput of the photometry: whole CPU a star with reading and file, stamps, light-curve files."""

import functools
import itertools
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import fields
import floors
import numpy as np
from throughput_rows import Row

from photometry import settings
from photometry.core import tiles
from photometry.core.stamp import Stamp
from photometry.files import cube_schema, lightcurve, lightcurve_schema, paths
from photometry.files.lightcurve_writer import LightcurveWriter, StampHeaders
from photometry.methods.context import WorkerContext
from photometry.pixels.ffi import CubeSource
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import stamp_of_size
from photometry.stages import tessphot

FRAMES, QUICK = 1300, 40
SIZE = 192
"""Px along a side: a tile in the middle has its whole margin, as nearly all of a CCD have."""

A_TILE = 20
"""Stars a tile of the field `typical`, as on a CCD with 20,000."""

LEAST = 100
"""Stars that are measured at least: those of whole tiles, the middle one first."""

MARGIN = 16
"""Px around a tile whose pixels its stars need, for the floor."""

LAYERS = {'images': 4, 'images_err': 4, 'pixel_flags': 1}
"""Bytes of a pixel in a frame, for the floor."""

SIDE = 15
"""Px along a side of the stamp that is read."""

FILE_BYTES = 100_000
"""Bytes of a light-curve file, for the floor, before one is there."""

BRIGHT, EDGE = 6.0, 12
"""Magnitude of stars for halo, and how far from the edge they stand at least, px."""

GOALS = {'aperture': (6.0, 3.0, 3.0), 'linpsf': (6.0, 3.0, None), fields.AUTOMATIC: (None, None, None),
         'psf': (30.0, 10.0, None)}
"""ms a star, what would be better still, and at how many times the floor."""


@dataclass(frozen=True)
class Field:
    """A cube of a simulated field with its catalogue.

    Attributes
    ----------
    folder : pathlib.Path
    plan : photometry.simulation.plan.SectorPlan
    stars : structured array
    least : int
        Stars of `by_tile`, at least.
    """

    folder: Path
    plan: SectorPlan
    stars: np.ndarray
    least: int = LEAST

    @classmethod
    def made(cls, folder, density, frames=FRAMES, size=SIZE, **more):
        """Simulate and prepare a field in a folder."""
        plan = SectorPlan(seed=1, frames=frames, preset=density, background='quiet',
                          stamp=stamp_of_size(size, size), **more)
        return cls(Path(folder), plan, fields.prepare_files(plan, Path(folder), settings.load()).stars)

    @functools.cached_property
    def cube(self):
        """Path of the cube."""
        return paths.find_cubes(self.folder)[0].path

    def worker(self, output='out'):
        """A new worker."""
        return WorkerContext(fields.options(self.folder, self.folder / output))

    def task(self, star, method):
        """The task of a star."""
        return fields.task_of(star, self.plan, self.cube.name, method)

    @functools.cached_property
    def by_tile(self):
        """Stars of whole tiles in the order of the queue, the tile in the middle first."""
        limits = self.plan.stamp
        inside = self.stars[[limits.contains(star['row'], star['column']) for star in self.stars]]
        numbers = tiles.tile_number(inside['row'], inside['column'], limits)
        found = {}
        for number in sorted(set(numbers.tolist()), key=lambda number: _away(number, limits)):
            if sum(map(len, found.values())) < self.least:
                found[number] = inside[numbers == number]
        return found

    def shares(self):
        """Bytes of the pixels around its tile for each star of `by_tile`."""
        made = []
        for number, stars in self.by_tile.items():
            region = tiles.tile_stamp(number, self.plan.stamp).grown(*[MARGIN] * 4).clipped(self.plan.stamp)
            pixels = region.height * region.width * self.plan.frames * sum(LAYERS.values())
            made += [pixels // len(stars)] * len(stars)
        return made


def _away(number, limits):
    """Distance of the middle of a tile from that of the field, px."""
    cell = tiles.tile_stamp(number, limits)
    return np.hypot(cell.row_min + cell.row_max - limits.row_min - limits.row_max,
                    cell.col_min + cell.col_max - limits.col_min - limits.col_max)


def method_rows(field, density, methods, rounds=3):
    """Whole CPU a star of some methods."""
    stars = np.concatenate(list(field.by_tile.values()))
    made = []
    with field.worker() as worker:
        for method in methods:
            tasks = [field.task(star, method) for star in stars]
            first = measured(worker, tasks)[0]
            written = (field.folder / 'out' / first).stat().st_size if first else FILE_BYTES

            def work(tasks=tasks):
                worker.clear_cache()
                measured(worker, tasks)
            floor = floors.stars_floor(field.cube, field.shares(), written, field.folder)
            spent = floors.alternated(work, floor, rounds)
            goal, moonshot, most = GOALS[method]
            made.append(_of_stars(f'{method}, {density}', spent, len(stars),
                                  goal, moonshot, most))
    return made


def measured(worker, tasks):
    """Measure stars; the light curves, of which some may be missing."""
    return [tessphot.process(task, worker).lightcurve for task in tasks]


def _of_stars(what, spent, count, goal, moonshot, most=None):
    floor = 1e3 * spent['floor'] / count if 'floor' in spent else None
    return Row(f'{what}, CPU a star', 1e3 * spent['cpu'] / count, 'ms', goal, moonshot, floor, most,
               1e3 * spent['kernel'])


def halo_rows(field, rounds=3):
    """Halo photometry of bright stars, their tiles known from other stars, and with the whole tile."""
    inner = field.plan.stamp.grown(*[-EDGE] * 4)
    stars = [star for star in field.stars
             if star['tmag'] < BRIGHT and inner.contains(star['row'], star['column'])]
    tasks = [field.task(star, 'halo') for star in stars]
    others = [field.task(_beside(field, star), fields.AUTOMATIC) for star in stars]
    with field.worker() as worker:
        measured(worker, tasks)
        spent, kernel = np.full(len(tasks), np.inf), []
        alone = floors.alternated(lambda: (worker.clear_cache(), measured(worker, tasks)), None, rounds)
        for _ in range(rounds):
            kernel.append(floors.clocked(floors.kernel)[0])
            for number, task in enumerate(tasks):
                worker.clear_cache()
                measured(worker, [others[number]])
                taken = floors.clocked(functools.partial(measured, worker, [task]))[0]
                spent[number] = min(spent[number], taken)
    known = {'cpu': spent.sum(), 'kernel': min(kernel)}
    return [_of_stars('halo, bright stars, tile known', known, len(tasks), 120.0, 50.0),
            _of_stars('halo, bright stars, each with its whole tile', alone, len(tasks), None, None)]


def _beside(field, star):
    """A star of the same tile that is not bright, or the star itself where there is none."""
    limits = field.plan.stamp
    numbers = tiles.tile_number(field.stars['row'], field.stars['column'], limits)
    own = tiles.tile_number(star['row'], star['column'], limits)
    inside = [limits.contains(other['row'], other['column']) for other in field.stars]
    found = field.stars[inside & (numbers == own) & (field.stars['tmag'] > BRIGHT)]
    return found[0] if found.size else star


def stamp_rows(field, number=60):
    """Reading a stamp through all frames and layers: from the disk, from its cache."""
    rng = np.random.default_rng(0)
    limits = field.plan.stamp
    places = [Stamp(row, row + SIDE, column, column + SIDE) for row, column in
              zip(rng.integers(limits.row_min, limits.row_max - SIDE, number),
                  rng.integers(limits.col_min, limits.col_max - SIDE, number), strict=True)]
    opening, cold = np.transpose([_cold(field.cube, stamp) for stamp in places])
    source = CubeSource(field.cube)
    warm = [_read(source, stamp) for stamp in places + places][number:]
    source.close()
    name = f'stamp {SIDE} x {SIDE}, {field.plan.frames} frames, all layers'
    return [Row(f'{name}, cold', 1e3 * np.median(cold), 'ms', 30.0),
            Row(f'{name}, warm', 1e3 * np.median(warm), 'ms', 5.0),
            Row('opening the cube, cold', 1e3 * np.median(opening), 'ms')]


def _cold(path, stamp):
    """Seconds to open a cube of which nothing is in memory, and to read a stamp of it."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)
    start = time.perf_counter()
    source = CubeSource(path)
    opened = time.perf_counter() - start
    spent = _read(source, stamp)
    source.close()
    return opened, spent


def _read(source, stamp):
    """Wall-clock seconds to read all layers of a stamp."""
    start = time.perf_counter()
    for layer in (*(column.name for column in cube_schema.LAYERS), 'backgrounds'):
        source.read(layer, stamp)
    return time.perf_counter() - start


def file_rows(field, number=40, rounds=5):
    """Writing a light-curve file, plain and compressed."""
    content = _content(field)
    columns = len(content.columns)
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for word, compress, goal in (('plain', False, 0.6), ('gzip', True, 3.0)):
            # as in a run, no file replaces another one
            writer, names = LightcurveWriter(compress=compress), map(str, itertools.count())
            writer.write(Path(folder, word), content)
            buffer = bytes(Path(folder, word).stat().st_size)

            def work(writer=writer, names=names, word=word):
                for _ in range(number):
                    writer.write(Path(folder, word + next(names)), content)

            def floor(names=names, buffer=buffer, word=word):
                for _ in range(number):
                    floors.write_synced(Path(folder, word + next(names)), buffer)
            spent = floors.alternated(work, floor, rounds)
            what = f'light-curve file, {columns} columns, {word}'
            made += [Row(f'{what}, CPU', 1e3 * spent['cpu'] / number, 'ms', goal,
                         floor=1e3 * spent['floor'] / number, kernel=1e3 * spent['kernel']),
                     Row(f'{what}, wall clock', 1e3 * spent['wall'] / number, 'ms',
                         floor=1e3 * spent['floor_wall'] / number)]
    return made


def _content(field):
    """What stands in the light-curve file of a star in the middle of the field."""
    star = next(iter(field.by_tile.values()))[0]
    with field.worker('file') as worker:
        task = field.task(star, 'aperture')
        read = lightcurve.read_lightcurve(field.folder / 'file' / measured(worker, [task])[0])
        wcs_text = worker.source(task).pixels.wcs_text
    row, column = (int(star[name]) - SIDE // 2 for name in ('row', 'column'))
    stamp = Stamp(row, row + read.sumimage.shape[0], column, column + read.sumimage.shape[1])
    primary, table = ({name: header.get(name) for name in names} for header, names in
                      ((read.primary, lightcurve_schema.PRIMARY), (read.table, lightcurve_schema.TABLE)))
    extra = {name: (read.primary[name], read.primary.comments[name])
             for name in ('REMARKS', 'CUBE', 'DATASRC', 'SETTINGS', 'SETHASH', 'MANIFEST')
             if name in read.primary}
    return lightcurve.Lightcurve(read.columns, primary, table, read.sumimage, read.aperture,
                                 StampHeaders(wcs_text).of(stamp), read.weightmap, read.neighbours,
                                 extra)
