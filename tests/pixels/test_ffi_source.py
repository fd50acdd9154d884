"""A cube as a source of pixels: what is mended on the way."""

import dataclasses

import numpy as np
import pytest

from photometry.files import cube_schema, cube_writer
from photometry.files.identity import Identity
from photometry.pixels.ffi import CubeSource

INFO = cube_schema.CubeInfo(6, 1, 2, 1800, rows=4, columns=5, times=6, row_offset=10, column_offset=60,
                     is_cutout=True, ref_frame=2, block=6, data_rel=8, procver='spoc-3.3.45-20190117',
                     background_mesh=32)


def write(path, info):
    """A small cube whose pixels are zero."""
    time = 1468.3 + np.arange(info.times) / 48
    tables = cube_writer.CubeTables(
        time - 1 / 96, time, time + 1 / 96, np.full(info.times, 0.002), np.arange(info.times) + 11000,
        np.zeros(info.times, int), [''] * info.times, ['tess.fits'] * info.times,
        np.zeros((info.times, 4), 'f4'))
    shape = info.times, info.rows, info.columns
    with cube_writer.CubeWriter.create(path, info, tables, Identity('0', {}, ())) as writer:
        writer.write_block(0, {column.name: np.zeros(shape, column.dtype) for column in cube_schema.LAYERS})
        writer.finish(writer.sumimage(), np.zeros((info.times, 6)), 'unchanged')
    return tables


@pytest.mark.parametrize('data_rel, camera, late', [
    (8, 1, (1.949, 1.959, 1.969)), (8, 4, (0.949, 0.959, 0.969)), (42, 4, (0, 0, 0))])
def test_times_of_late_releases_are_mended(tmp_path, data_rel, camera, late):
    """The clock was 1.979 s late; CCD 2 is read 20 ms after CCD 1, camera 4 1 s after camera 1."""
    path = tmp_path / f'sector006_camera{camera}_ccd2.hdf5'
    tables = write(path, dataclasses.replace(INFO, camera=camera, data_rel=data_rel))
    source = CubeSource(path)
    source.close()
    for name, seconds in zip(('time_start', 'time', 'time_stop'), late, strict=True):
        found = (getattr(tables, name) - getattr(source, name)) * 86400
        np.testing.assert_allclose(found, seconds, atol=1e-4)
    np.testing.assert_array_equal(source.timecorr, tables.timecorr)
