"""The scripts that hold the data of stars: exact, harmless, bounded in number."""

import base64
import gzip

import numpy as np
from report_data import called, stars

from photometry.files import results_table
from photometry.report import star_data

HOSTILE = '</script><script>alert("x")</script>\u2028\'"\\ \x07 \ud800'


def test_rows_hold_what_the_list_tells(tmp_path):
    listed = stars(3, starid=[5, -(2 ** 62) - 1, 7], tmag=[9.25, None, 'bright'], errors=[HOSTILE, None, 3],
                   mask_size=[12, None, 7], elaptime=[0.125, float('inf'), 1])
    assert star_data.write_rows(tmp_path, listed) == [1]
    number, rows = called(tmp_path / 'rows' / '0.js', 'rows')
    assert number == 0 and set(rows) == {column.name for column in results_table.COLUMNS} | {'has_file'}
    assert rows['starid'] == ['5', str(-(2 ** 62) - 1), '7']
    assert rows['tmag'] == [9.25, None, None] and rows['elaptime'] == [0.125, None, 1.0]
    assert rows['errors'] == [HOSTILE, '', ''] and rows['mask_size'] == [12, None, 7]


def test_many_rows_lie_in_few_scripts(tmp_path):
    starts = star_data.write_rows(tmp_path, stars(2 * star_data.CHUNK + 1))
    assert starts == [1, star_data.CHUNK + 1, 2 * star_data.CHUNK + 1]
    assert called(tmp_path / 'rows' / '2.js', 'rows')[1]['priority'] == [2 * star_data.CHUNK + 1]


def test_a_light_curve_is_wrapped_byte_by_byte(tmp_path):
    content = np.random.default_rng(1).bytes(5000)
    plain, zipped = tmp_path / HOSTILE[:8].replace('/', '_'), tmp_path / 'a.fits.gz'
    plain.write_bytes(b'SIMPLE' + content)
    zipped.write_bytes(gzip.compress(content))
    for priority, path in ((7, plain), (-3, zipped)):
        star_data.write_curve(tmp_path, priority, path)
    star_data.write_index(tmp_path)
    number, name, text = called(tmp_path / 'curves' / '7.js', 'curve')
    assert (number, name) == (7, plain.name)
    assert gzip.decompress(base64.b64decode(text)) == plain.read_bytes()
    assert base64.b64decode(called(tmp_path / 'curves' / '-3.js', 'curve')[2]) == zipped.read_bytes()
    assert called(tmp_path / 'curves' / 'index.js', 'have') == [[-3, 7]]


def test_remarkable_stars_come_along_and_others_evenly():
    number = 1000
    tmag = np.linspace(8, 15, number)
    status, hour = np.full(number, 'ok', object), np.full(number, 100.0)
    status[[100, 200]], hour[[300, 400]] = 'warning', 1e6
    there = np.arange(number) != 500
    listed = stars(number, tmag=tmag.tolist(), status=status.tolist(), rms_hour=hour.tolist(),
                   has_file=there.tolist())
    chosen = star_data.choose(listed, 40)
    assert chosen.size == 40 and {100, 200, 300, 400} <= set(chosen.tolist()) and 500 not in chosen
    assert np.diff(np.sort(np.append(tmag[chosen], [8, 15]))).max() < 0.5
    assert star_data.choose(listed, 5000).size == number - 1
    assert not star_data.choose(listed, 0).size
    assert not star_data.choose(listed.where(~listed['has_file']), 40).size
