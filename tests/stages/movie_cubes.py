"""Cubes whose pixels are as a test says, and the frames of movies read back."""

import subprocess

import numpy as np

from photometry.algorithms.backgrounds import BackgroundLayout
from photometry.core.stamp import Stamp
from photometry.files import catalog, cube_schema, cube_writer, paths
from photometry.files.identity import Identity
from photometry.files.schema import InputFile

IDENTITY = Identity('0.1', {'prepare': {}}, (InputFile('a.fits', 3, '17'),))
START = 4697


def write_cube(folder, images, flags=None, *, key=(5, 2, 3), corner=(0, 44), sky=100.0, quality=None,
               first=START, cadence=1800, is_cutout=False, wcs_text='', kernel=None):
    """Write a cube.

    Parameters
    ----------
    images : ndarray (times, rows, columns)
    flags : ndarray (times, rows, columns) of int, optional
    key : (sector, camera, ccd)
    corner : (row, column) of the first pixel
    sky : float or ndarray (times,)
        Flat background of each frame.
    quality : ndarray (times,), optional
    first : int
        Number of the first cadence.
    """
    times, *shape = images.shape
    limits = Stamp(corner[0], corner[0] + shape[0], corner[1], corner[1] + shape[1])
    info = cube_schema.CubeInfo(
        *key, cadence, *shape, times, *corner, is_cutout=is_cutout, ref_frame=0, block=32, data_rel=30,
        n_readout=720, num_frm=900, exposure=1425.6, deadc=0.792, crmiten=True, procver='test')
    moment = 1437.0 + np.arange(times) * cadence / 86400
    numbers = np.multiply.outer(np.broadcast_to(sky, times), np.ones(BackgroundLayout(limits, 64).size))
    tables = cube_writer.CubeTables(
        moment - 0.01, moment, moment + 0.01, np.full(times, 0.003), np.arange(first, first + times),
        np.zeros(times, 'i4') if quality is None else quality, [wcs_text] * times,
        [f'{number}.fits' for number in range(times)], numbers.astype('f4'))
    path = folder / paths.cube_name(*key, limits if is_cutout else None)
    pixels = {'images': images.astype('f4'), 'images_err': np.ones(images.shape, 'f4'),
              'pixel_flags': np.zeros(images.shape, 'u1') if flags is None else flags.astype('u1')}
    with cube_writer.CubeWriter.create(path, info, tables, IDENTITY) as writer:
        for index in writer.pending:
            part = info.block_range(index)
            writer.write_block(index, {name: values[part] for name, values in pixels.items()})
        writer.finish(writer.sumimage(), np.zeros((times, 6)) if kernel is None else kernel, 'translation')
    return path


def write_simulated(folder, sector):
    """The cube and the catalogue of a `simulated.Sector`."""
    source = sector.source
    moved = {name: source.layers[name].transpose(2, 0, 1) for name in ('images', 'pixel_flags')}
    write_cube(folder, moved['images'], moved['pixel_flags'], key=(5, 2, 2), corner=source.limits[::2],
               quality=source.quality, wcs_text=source.wcs_text, kernel=source.movement_kernel,
               is_cutout=True)
    rows = np.zeros(len(sector.catalog.stars), catalog.STAR_DTYPE)
    for name in set(rows.dtype.names) & set(sector.catalog.stars.dtype.names):
        rows[name] = sector.catalog.stars[name]
    catalog.write_catalog(folder / paths.catalog_name(5, 2, 2), catalog.CatalogInfo(5, 2, 2), rows)


def frames_of(path):
    """The frames of a movie, (frames, height, width, 3) uint8, and what ffmpeg says of it."""
    import imageio_ffmpeg
    reader = imageio_ffmpeg.read_frames(str(path))
    about = next(reader)
    reader.close()
    # not by the reader: it leaves pipes to the garbage collector
    done = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), '-loglevel', 'error', '-i', str(path),
                           '-fps_mode', 'passthrough', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'],
                          capture_output=True, check=True)
    return np.frombuffer(done.stdout, 'u1').reshape(-1, *about['size'][::-1], 3), about
