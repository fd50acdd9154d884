"""Tables of stars from anywhere: four formats, many names, units, epochs, and bad ones."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from photometry.core.errors import InputBadError, InputMissingError
from photometry.files import star_table
from photometry.files.star_table import read_star_table

INPUT = Path(__file__).parents[1] / 'input'


def stars(number=20, seed=1):
    """A plain table as astropy has it."""
    rng = np.random.default_rng(seed)
    table = Table({'ID': np.arange(1, number + 1) * 1000, 'ra': rng.uniform(0, 360, number),
                   'dec': rng.uniform(-90, 90, number), 'pmRA': rng.normal(0, 50, number),
                   'pmDEC': rng.normal(0, 50, number), 'Tmag': rng.uniform(6, 16, number),
                   'Teff': rng.uniform(3000, 9000, number)})
    for name, unit in (('ra', 'deg'), ('dec', 'deg'), ('pmRA', 'mas/yr'), ('pmDEC', 'mas/yr'),
                       ('Tmag', 'mag'), ('Teff', 'K')):
        table[name].unit = unit
    return table


def write(table, path):
    """Write a table in the format that the name of the file tells."""
    name = path.name.removesuffix('.gz')
    if name.endswith('.parquet'):
        fields = [pyarrow.field(column, pyarrow.float64() if table[column].dtype.kind == 'f'
                                else pyarrow.int64(), metadata={'unit': str(table[column].unit or '')})
                  for column in table.colnames]
        parquet.write_table(pyarrow.table([np.asarray(table[column]) for column in table.colnames],
                                          schema=pyarrow.schema(fields)), path)
    else:
        kind = {'csv': 'ascii.csv', 'ecsv': 'ascii.ecsv', 'fits': 'fits'}[name.split('.')[-1]]
        plain = path.with_name(name)
        table.write(plain, format=kind, overwrite=True)
        if path.name.endswith('.gz'):
            path.write_bytes(gzip.compress(plain.read_bytes()))
            plain.unlink()
    return path


def text(path, *lines):
    path.write_text('\n'.join(lines) + '\n')
    return path


@pytest.mark.parametrize('name', ['t.csv', 't.csv.gz', 't.ecsv', 't.fits', 't.fits.gz', 't.parquet'])
def test_four_formats(tmp_path, name):
    table = stars()
    found = read_star_table(write(table, tmp_path / name))
    assert found.starid.tolist() == table['ID'].tolist() and found.starid.dtype == np.int64
    for ours, theirs in (('ra', 'ra'), ('dec', 'dec'), ('pm_ra', 'pmRA'), ('pm_decl', 'pmDEC'),
                         ('tmag', 'Tmag'), ('teff', 'Teff')):
        assert np.allclose(getattr(found, ours), table[theirs], rtol=1e-12), ours
    assert (found.epoch == 2000).all() and not found.gaia.any() and not found.dropped


def test_the_content_decides_not_the_name(tmp_path):
    path = write(stars(), tmp_path / 't.fits')
    assert read_star_table(path.rename(tmp_path / 't.csv')).starid.size == 20


@pytest.mark.parametrize('names', [
    {'ID': 'TIC', 'ra': 'RA', 'dec': 'DEC', 'Tmag': 'tmag'},
    {'ID': 'starid', 'ra': 'ra', 'dec': 'decl', 'pmRA': 'pm_ra', 'pmDEC': 'pm_decl', 'Tmag': 'TESSMAG'},
    {'ID': 'TICID', 'ra': 'RAJ2000', 'dec': 'DEJ2000', 'Teff': 'TEFF'}])
def test_names(tmp_path, names):
    table = stars()
    reference = read_star_table(write(table, tmp_path / 'a.csv'))
    for old, new in names.items():
        table.rename_column(old, new)
    found = read_star_table(write(table, tmp_path / 'b.csv'))
    for name in ('starid', 'ra', 'dec', 'pm_ra', 'pm_decl', 'tmag', 'teff'):
        assert np.array_equal(getattr(found, name), getattr(reference, name)), name


@pytest.mark.parametrize('extension', ['ecsv', 'fits', 'parquet'])
def test_declared_units_are_converted(tmp_path, extension):
    table = stars()
    reference = read_star_table(write(table, tmp_path / 'a.ecsv'))
    converted = table.copy()
    for name, unit in (('ra', 'hourangle'), ('dec', 'rad'), ('pmRA', 'arcsec/yr'), ('pmDEC', 'deg/yr')):
        converted[name] = converted[name].to(unit)
    if extension == 'fits':
        converted['ra'] = stars()['ra'].to('rad')
    found = read_star_table(write(converted, tmp_path / f'b.{extension}'))
    for name in ('ra', 'dec', 'pm_ra', 'pm_decl'):
        assert np.allclose(getattr(found, name), getattr(reference, name), rtol=1e-10), name


def test_wrong_units_are_named(tmp_path):
    table = stars()
    table['dec'].unit = 'kg'
    with pytest.raises(InputBadError, match="b.ecsv: column dec has the unit 'kg'"):
        read_star_table(write(table, tmp_path / 'b.ecsv'))
    with pytest.raises(InputBadError, match='no place on the sky in degrees'):
        read_star_table(text(tmp_path / 'a.csv', 'ID,ra,dec,Tmag', '1,400,3,9'))
    with pytest.raises(InputBadError, match='holds text .*degrees'):
        read_star_table(text(tmp_path / 'a.csv', 'ID,ra,dec,Tmag', '1,12:30:00,-30:00:00,9'))
    lines = [f'{k},{k},{k},5,20000,0' for k in range(1, 50)]
    with pytest.raises(InputBadError, match='proper motions exceed'):
        read_star_table(text(tmp_path / 'a.csv', 'ID,ra,dec,Tmag,pmra,pmdec', *lines))


def test_epochs(tmp_path):
    def epoch(*lines):
        return read_star_table(text(tmp_path / 'a.csv', *lines)).epoch.tolist()
    assert epoch('ID,ra,dec,Tmag,ref_epoch', '1,2,3,9,2015.5', '2,2,3,9,2016') == [2015.5, 2016]
    assert epoch('ID,ra_orig,dec_orig,Tmag', '1,2,3,9') == [2015.5]
    assert epoch('ID,ra,dec,ra_orig,dec_orig,Tmag', '1,2,3,4,5,9') == [2000]
    assert epoch('source_id,ra,dec,phot_g_mean_mag', '6000000000000000001,2,3,9') == [2016]
    with pytest.raises(InputBadError, match='Julian years'):
        epoch('ID,ra,dec,Tmag,ref_epoch', '1,2,3,9,57388.5')
    table = stars()
    table.meta['REF_EPOCH'] = 'J2015.5'
    assert set(read_star_table(write(table, tmp_path / 'c.ecsv')).epoch) == {2015.5}


def test_gaia_stars_have_local_numbers_and_a_tess_magnitude(tmp_path):
    path = text(tmp_path / 'gaia.csv', 'source_id,ra,dec,pmra,pmdec,ref_epoch,phot_g_mean_mag,'
                'phot_bp_mean_mag,phot_rp_mean_mag', '6030000000000000017,10,20,1,2,2016.0,12.0,12.5,11.5',
                '6030000000000000021,11,21,1,2,2016.0,13.0,,')
    found = read_star_table(path)
    assert found.starid.tolist() == [-6030000000000000017, -6030000000000000021]
    assert found.gaia.tolist() == [6030000000000000017, 6030000000000000021]
    assert found.tmag == pytest.approx([12.0 - 0.00522555 + 0.0891337 - 0.633923 + 0.0324473, 13.0 - 0.43])


def test_dispositions_as_words_and_codes(tmp_path):
    words = text(tmp_path / 'a.csv', 'ID,ra,dec,Tmag,disposition', '1,2,3,9,', '2,2,3,9,DUPLICATE',
                 '3,2,3,9,SPLIT', '4,2,3,9,artifact', '5,2,3,9,WHATEVER', '6,2,3,9,null', '7,2,3,9,DUPLICATE')
    found = read_star_table(words)
    assert found.starid.tolist() == [1, 6]
    assert found.dropped == {'with disposition DUPLICATE': 2, 'with disposition SPLIT': 1,
                             'with disposition ARTIFACT': 1, 'with disposition WHATEVER': 1}
    codes = text(tmp_path / 'b.csv', 'ID,ra,dec,Tmag,disposition', '1,2,3,9,0', '2,2,3,9,6', '3,2,3,9,')
    found = read_star_table(codes)
    assert found.starid.tolist() == [1, 3] and found.dropped == {'with disposition 6': 1}


def test_real_tic_rows():
    found = read_star_table(INPUT / 'catalogs' / 'tic82_rows.csv')
    assert found.starid.size == 203 and found.dropped == {'with disposition 6': 1, 'with disposition 8': 2}
    first = np.flatnonzero(found.starid == 1227555)[0]
    assert found.ra[first] == 137.225947173 and found.pm_ra[first] == -14.2149
    assert found.tmag[first] == 12.5991 and found.gaia[first] == 5731246381742426496


def test_real_target_list():
    found = read_star_table(INPUT / 'catalogs' / 'targets_s0002.csv')
    assert found.starid.size == 800 and np.isnan(found.pm_ra).all()


def test_rows_that_cannot_be_used_are_counted(tmp_path):
    path = text(tmp_path / 'a.csv', 'ID,ra,dec,Tmag', '1,2,3,9', '2,,3,9', '3,2,nan,9', '4,2,3,', '1,5,6,7',
                '5,inf,3,9', ',7,8,9')
    found = read_star_table(path)
    assert found.starid.tolist() == [1, -1] and found.ra.tolist() == [2, 7]
    assert found.dropped == {'without a position': 3, 'without a magnitude': 1, 'repeated': 1}


def test_header_in_a_comment(tmp_path):
    path = text(tmp_path / 'a.csv', '# a list', '# TICID, RA, Dec, Tmag', '1,2,3,4', '2,3,4,5')
    assert read_star_table(path).starid.tolist() == [1, 2]


def test_masked_columns(tmp_path):
    table = stars(3)
    table['Teff'] = MaskedColumn(table['Teff'], mask=[True, False, True])
    table['ID'] = MaskedColumn(table['ID'], mask=[False, False, True])
    found = read_star_table(write(table, tmp_path / 'a.ecsv'))
    assert np.isnan(found.teff).tolist() == [True, False, True]
    assert found.starid.tolist() == [1000, 2000, -1]


@pytest.mark.parametrize(('lines', 'message'), [
    (['ID,ra,Tmag', '1,2,3'], 'no columns with positions'),
    (['ID,ra,dec', '1,2,3'], 'no column with TESS magnitudes'),
    (['ID,ra,dec,Tmag'], 'no usable star'),
    (['ID,ra,dec,Tmag', '1,,,9'], '1 without a position'),
    (['ID,ra,RA,dec,Tmag', '1,2,3,4,5'], 'ra and RA'),
    (['ID,ra,ra,dec,Tmag', '1,2,3,4,5'], 'not distinct'),
    (['ID,ra,dec,Tmag', 'abc,2,3,4'], "'abc' in column ID"),
    (['ID,ra,dec,Tmag', '1.5,2,3,4'], '1.5 in column ID'),
    (['ID,ra,dec,Tmag', '999999999999999,2,3,4'], 'is no TIC number'),
    (['ID,ra,dec,Tmag', '1,2,3,4', '1,2'], 'cannot be used'),
    (['just words without any separator'], 'not separated'),
    (['# nothing'], 'no line with the names'),
])
def test_bad_tables_are_named(tmp_path, lines, message):
    with pytest.raises(InputBadError, match=message) as caught:
        read_star_table(text(tmp_path / 'bad.csv', *lines))
    assert 'bad.csv' in str(caught.value)


def test_damage_is_named(tmp_path):
    with pytest.raises(InputMissingError, match='does not exist'):
        read_star_table(tmp_path / 'none.csv')
    with pytest.raises(InputBadError, match='a directory'):
        read_star_table(tmp_path)
    for name in ('t.fits', 't.parquet', 't.csv.gz', 't.fits.gz'):
        path = write(stars(2000), tmp_path / name)
        path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
        with pytest.raises(InputBadError, match=f'{name} cannot be used'):
            read_star_table(path)
    for content in (b'', b'\n\n', bytes(5000), b'\x80\x04K\x01.' + bytes(20)):
        path = tmp_path / 'x.csv'
        path.write_bytes(content)
        with pytest.raises(InputBadError, match='x.csv'):
            read_star_table(path)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300)
       | st.text(alphabet='ID,raTmgdec0123456789.-+\n#"; ', max_size=300).map(str.encode))
def test_anything_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp('any') / 'table.csv'
    path.write_bytes(content)
    try:
        found = read_star_table(path)
    except InputBadError as error:
        assert 'table.csv' in str(error)
    else:
        assert np.isfinite(found.ra).all() and np.unique(found.starid).size == found.starid.size


def test_names_are_lower_case_and_lead_to_one_meaning():
    every = [alias for aliases in star_table.NAMES.values() for alias in aliases]
    assert len(set(every)) == len(every) and all(alias == alias.lower() for alias in every)


def test_control_characters_among_the_names(tmp_path):
    path = tmp_path / 'stars.csv'
    path.write_bytes(b'\x01\t\r\x01')
    with pytest.raises(InputBadError, match='stars.csv'):
        read_star_table(path)


def test_numbers_of_stars_without_a_tic_number_stay_the_same_whatever_else_is_in_the_table(tmp_path):
    """By Gaia number where there is one; a small negative number is free for those with neither."""
    lines = ['TIC,source_id,ra,dec,Tmag', '77,6030000000000000017,10,20,9', ',6030000000000000021,11,20,9',
             ',,12,20,9', ',4295806720,13,20,9', ',9223372036854775807,14,20,9', ',17,15,20,9']
    table = read_star_table(text(tmp_path / 'stars.csv', *lines))
    assert table.starid.tolist() == [77, -6030000000000000021, -1, -4295806720, -9223372036854775807, -2]
    again = read_star_table(text(tmp_path / 'less.csv', lines[0], lines[5], lines[2]))
    assert again.starid.tolist() == [-9223372036854775807, -6030000000000000021]
    numbers = [f'{number},10,{row},9' for row, number in enumerate(table.starid.tolist())]
    back = read_star_table(text(tmp_path / 'back.csv', 'starid,ra,dec,Tmag', *numbers))
    assert back.starid.tolist() == table.starid.tolist()


def test_local_numbers_of_the_table_stay_free(tmp_path):
    path = tmp_path / 'stars.csv'
    path.write_text('starid,ra,dec,tmag\n-1,10,20,9\n,11,20,9\n77,12,20,9\n,13,20,9\n')
    table = read_star_table(path)
    assert table.starid.tolist() == [-1, -2, 77, -3] and not table.dropped
