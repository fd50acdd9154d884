"""Small files of every kind for inventories, written without the pipeline."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from photometry.files import catalog, cube_schema, cube_writer, frame_journal, paths, simulated_ffi
from photometry.files.identity import Identity
from photometry.files.schema import InputFile
from photometry.stages.inventory import take_inventory
from photometry.todo import places

from . import small_sector

TESTS = Path(__file__).parents[1]
PATHS = {'PYTHONPATH': os.pathsep.join([str(TESTS.parent), str(TESTS), str(TESTS / 'todo')])}
"""For another process that is to find the modules of the tests."""

FACTS = simulated_ffi.FrameFacts(5, 2, 2, 1800, 10113, 1438.0, 1438.0 + 1 / 48, 0.002, 0, (10.,) * 4,
                                 (5.2,) * 4, True, 10, 900, 720, 7)
IDENTITY = Identity('0.1', {}, (InputFile('x', 1),))
INFO = cube_schema.CubeInfo(5, 2, 2, 1800, rows=8, columns=9, times=6, row_offset=0, column_offset=44,
                            is_cutout=False, ref_frame=0, block=2)


def frame(folder, number, **changes):
    """An FFI of a few pixels, that many cadences after the first."""
    cadence = changes.get('cadence', FACTS.cadence) / 86400
    facts = dataclasses.replace(FACTS, start=FACTS.start + number * cadence,
                                stop=FACTS.start + (number + 1) * cadence, **changes)
    folder.mkdir(parents=True, exist_ok=True)
    image = np.ones((4, 5), 'f4')
    return small_sector.write_ffi(folder, facts, image, image, '')


def stars(folder, key=(5, 2, 2), number=3, notes=None):
    """A catalogue."""
    rows = np.zeros(number, catalog.STAR_DTYPE)
    rows['starid'] = 1 + np.arange(number)
    path = folder / paths.catalog_name(*key)
    catalog.write_catalog(path, catalog.CatalogInfo(*key), rows, overwrite=True, provenance=notes)
    return path


def writer(folder, info=INFO):
    """A cube that is begun, open."""
    times = np.arange(float(info.times))
    numbers = times.astype(int)
    tables = cube_writer.CubeTables(times, times + 0.5, times + 1, times, numbers, numbers, [''] * info.times,
                                    ['x'] * info.times, np.zeros((info.times, 2), 'f4'))
    name = paths.cube_name(info.sector, info.camera, info.ccd, info.limits if info.is_cutout else None)
    return cube_writer.CubeWriter.create(folder / name, info, tables, IDENTITY)


def cube(folder, info=INFO, blocks=None):
    """A cube, or one in work of which some blocks are written."""
    with writer(folder, info) as made:
        for index in made.pending[:blocks]:
            shape = len(range(info.times)[info.block_range(index)]), info.rows, info.columns
            made.write_block(index, {layer.name: np.zeros(shape) for layer in cube_schema.LAYERS})
        if blocks is None:
            made.finish(made.sumimage(), np.zeros((info.times, 6)), 'translation')
    return made.path


def journal(folder, records, info=INFO):
    """The journal of a cube, open."""
    name = paths.cube_name(info.sector, info.camera, info.ccd)
    made = frame_journal.FrameJournal(folder / f'{name}.journal', IDENTITY, 3)
    for index in range(records):
        made.add(index)
    return made


def cutout(stamp):
    """Facts of a cube of part of the CCD."""
    return dataclasses.replace(INFO, is_cutout=True, rows=stamp.height, columns=stamp.width,
                               row_offset=stamp.row_min, column_offset=stamp.col_min)


def take(folder, **filters):
    """The inventory with the list of stars in the directory itself."""
    return take_inventory(folder, places.named(None, {}, folder), **filters)


def one(folder, key=(5, 2, 2)):
    """What lies there of one CCD."""
    return next(ccd for ccd in take(folder).ccds if ccd.key == key)
