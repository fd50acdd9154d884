"""The table of all stars: Parquet and FITS tell the same."""

import numpy as np
import pytest
from astropy.io import fits
from pyarrow import parquet

from photometry.core.errors import OutputError, UsageError
from photometry.files import results_table
from photometry.files.results_table import COLUMNS

EMPTY = {column.name: [None, None] for column in COLUMNS}
PART = EMPTY | {'starid': [5, -7], 'sector': [1, 1], 'tmag': [9.5, None], 'mask_size': [None, 12],
                'status': ['ok', 'error'], 'errors': [None, 'No light: half a \u00b0.']}


def write(path, *parts):
    with results_table.written(path, '1.2') as add:
        for part in parts:
            add(part)
    return path


def test_parquet_knows_units_and_what_is_unknown(tmp_path):
    table = parquet.read_table(write(tmp_path / 'stars.parquet', PART, PART))
    assert table.column_names == [column.name for column in COLUMNS]
    assert table['starid'].to_pylist() == [5, -7, 5, -7]
    assert table['tmag'].to_pylist()[:2] == [9.5, None]
    assert table['mask_size'].to_pylist()[:2] == [None, 12]
    assert table['errors'].to_pylist()[1] == PART['errors'][1]
    assert table.schema.field('tmag').metadata[b'unit'] == b'mag'
    assert table.schema.metadata[b'tessphot'] == b'1.2'


def test_fits_knows_units_and_what_is_unknown(tmp_path):
    path = write(tmp_path / 'stars.fits', PART, PART)
    with fits.open(path, checksum=True) as hdus:
        table, header = hdus['STARS'].data, hdus['STARS'].header
        assert table['starid'].tolist() == [5, -7, 5, -7]
        assert table['tmag'][0] == 9.5
        assert np.isnan(table['tmag'][1])
        column = table.columns['mask_size']
        assert table['mask_size'][0] == column.null
        assert table['errors'].tolist()[:2] == ['', 'No light: half a ?.']
        assert table.columns['tmag'].unit == 'mag'
        assert header.comments['TTYPE1'] == COLUMNS[0].description
        assert header['CREATOR'] == 'tessphot 1.2'


@pytest.mark.parametrize('name', ['stars.parquet', 'stars.fits'])
def test_a_table_without_stars_has_its_columns(tmp_path, name):
    path = write(tmp_path / name)
    names = (parquet.read_schema(path).names if path.suffix == '.parquet'
             else fits.getdata(path, 'STARS').columns.names)
    assert names == [column.name for column in COLUMNS]


@pytest.mark.parametrize('name', ['stars.parquet', 'stars.fits'])
def test_a_table_appears_whole_or_not_at_all(tmp_path, name):
    with pytest.raises(RuntimeError), results_table.written(tmp_path / name, '1') as add:
        add(PART)
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_table_is_replaced_only_when_asked(tmp_path):
    path = write(tmp_path / 'stars.parquet', PART)
    before = path.read_bytes()
    with pytest.raises(OutputError, match='--overwrite'):
        write(path, PART, PART)
    assert path.read_bytes() == before
    with results_table.written(path, '1', overwrite=True) as add:
        add(PART)
    assert parquet.read_table(path).num_rows == 2


def test_a_suffix_tells_the_format(tmp_path):
    with pytest.raises(UsageError, match=r'\.parquet or \.fits'):
        results_table.check_name(tmp_path / 'stars.txt')


def test_a_full_disk_is_a_sentence(tmp_path):
    with pytest.raises(OutputError, match='Cannot write'):
        write(tmp_path / 'nowhere' / 'stars.parquet', PART)
