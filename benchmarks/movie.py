#!/usr/bin/env python
"""Cost of a movie of a whole CCD: seconds a frame, what of it is reading, peak memory.

    python benchmarks/movie.py --frames 36

A cube of 2048 x 2048 px (38 MB a frame) with noise and stars is written to a temporary directory by
another process, so that its memory does not count. Reading along time is compared with what it would
cost to read one frame after the other.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from photometry.algorithms.backgrounds import BackgroundLayout
from photometry.core.coordinates import SCIENCE
from photometry.core.quality import PixelFlag
from photometry.files import cube_schema, cube_writer, paths
from photometry.files.identity import Identity
from photometry.files.schema import InputFile
from photometry.pixels import binned
from photometry.pixels.ffi import CubeSource
from photometry.stages import ffimovie

GOALS = {'s a frame, images': 0.2, 's a frame, images, backgrounds, flags': 0.4, 'peak MB': 700.0}


def write_cube(folder, frames, seed=1):
    """A cube of one CCD, with stars of noise alone."""
    rng = np.random.default_rng(seed)
    info = cube_schema.CubeInfo(5, 2, 3, 1800, *SCIENCE.shape, frames, 0, 44, is_cutout=False, ref_frame=0,
                                block=32, n_readout=720, num_frm=900, exposure=1425.6, deadc=0.792)
    number = np.arange(frames)
    moment = 1437 + number / 48
    size = BackgroundLayout(SCIENCE, info.background_mesh).size
    tables = cube_writer.CubeTables(moment - 0.01, moment, moment + 0.01, np.full(frames, 0.003),
                                    4697 + number, np.zeros(frames, 'i4'), [''] * frames,
                                    [f'{one}.fits' for one in number], np.full((frames, size), 100, 'f4'))
    stars = 3 * rng.pareto(1.2, SCIENCE.shape).astype('f4') * (rng.random(SCIENCE.shape) < 0.01)
    flags = np.where(stars > 10, PixelFlag.NOT_USED_FOR_BACKGROUND, 0).astype('u1')
    identity = Identity('0.1', {'prepare': {}}, (InputFile('a.fits', 3, '17'),))
    path = Path(folder) / paths.cube_name(5, 2, 3)
    with cube_writer.CubeWriter.create(path, info, tables, identity) as made:
        for index in made.pending:
            count = len(range(*info.block_range(index).indices(frames)))
            images = stars + rng.standard_normal((count, *SCIENCE.shape), dtype='f4')
            made.write_block(index, {'images': images, 'images_err': np.ones_like(images),
                                     'pixel_flags': np.repeat(flags[None], count, axis=0)})
        made.finish(made.sumimage(), np.zeros((frames, 6)), 'translation')


def seconds(work):
    """Wall-clock time of a call, s."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def movie(folder, frames, name='a.mp4', **options):
    """Seconds a frame of a movie."""
    path = Path(folder) / name
    return seconds(lambda: ffimovie.make_movie(folder, path, overwrite=True, **options)) / frames


def read_tiles(folder, cadences):
    """Read some cadences of the images, binned as a movie shows them."""
    source = CubeSource(Path(folder) / paths.cube_name(5, 2, 3))
    for stamp in binned.tiles(source.limits, 4):
        binned.read(source, 'images', stamp, cadences, 4)
    source.close()


def measure(folder, frames):
    """The figures by name."""
    everything = ('images', 'backgrounds', 'flags')
    made = {'frames': frames, 's a frame, images': movie(folder, frames),
            's a frame, images, backgrounds, flags': movie(folder, frames, show=everything),
            'peak MB': record.peak_of_memory(), 's a frame, images, GIF': movie(folder, frames, 'a.gif'),
            's a frame, three panels, 2 processes': movie(folder, frames, show=everything, jobs=2),
            's a frame, reading along time': seconds(lambda: read_tiles(folder, np.arange(frames))) / frames,
            's a frame, reading frame by frame': seconds(lambda: read_tiles(folder, np.array([frames // 2]))),
            'kB a frame, MP4': (Path(folder) / 'a.mp4').stat().st_size / 1e3 / frames,
            'kB a frame, GIF': (Path(folder) / 'a.gif').stat().st_size / 1e3 / frames}
    return made


def main():
    """Write the cube, make the movies, print the table."""
    parser = record.parser(__doc__, 'movie')
    parser.add_argument('--frames', type=int, default=36)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        writing = multiprocessing.get_context('spawn').Process(target=write_cube,
                                                               args=(folder, options.frames))
        writing.start()
        writing.join()
        return record.finish(options.output, 'Movie of a CCD', measure(folder, options.frames), GOALS)


if __name__ == '__main__':
    sys.exit(main())
