"""The benchmark of throughput runs; its floors do what they say, its rows compare as they should."""

import json
import logging
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / 'benchmarks'))

import floors
import throughput
import throughput_prepare
from throughput_rows import Row


@pytest.fixture(scope='module')
def result(tmp_path_factory):
    """What a quick run leaves behind."""
    path = tmp_path_factory.mktemp('bench') / 'throughput.json'
    before = logging.getLogger('photometry').level
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(throughput, 'DENSITIES', ('typical',))
    throughput.main(['--quick', '--only', 'stamp', 'file', 'aperture', 'automatic', 'help',
                     '--output', str(path)])
    logging.getLogger('photometry').setLevel(before)
    monkeypatch.undo()
    return json.loads(path.read_text())


def test_a_quick_run_gives_floors_ratios_and_kernels(result):
    rows = result['rows']
    assert result['quick'] and result['machine'] and 0 < result['seconds']
    for what in ('aperture, typical, CPU a star', 'automatic, typical, CPU a star',
                 'light-curve file, 15 columns, plain, CPU'):
        row = rows[what]
        assert row['measured'] > row['floor'] > 0 and row['ratio'] > 1 and row['kernels'] > 0, what
        assert row['met'] == (row['goal'] is None or row['measured'] <= row['goal'])
    assert result['passed'] == all(row['met'] for row in rows.values())
    programs = Path(__file__).parents[2].glob('run_*.py')
    assert {f'{path.name} --help' for path in programs} < set(rows)


def test_a_row_is_met_by_its_number_and_surpassed_by_its_floor():
    row = Row('star', 3.0, 'ms', 6.0, 3.0, 0.5, 3.0, 60.0)
    assert row.met and row.ratio == 6 and not row.moonshot_met
    assert Row('star', 3.0, 'ms', 6.0, 3.0, 1.0, 3.0).moonshot_met
    assert str(Row('star', 7.0, 'ms', 6.0, 3.0)).endswith('MISSED')
    assert Row('star', 7.0, 'ms').met and Row('star', 7.0, 'ms').moonshot_met is None
    assert row.as_dict()['kernels'] == pytest.approx(0.05)


def test_what_comes_once_is_told_from_what_grows():
    def numbers(frames):
        return {'besides': 10 + 2 * frames, 'learned': frames / 2, 'bytes': 5e6 + 37e6 * frames,
                'peak_mb': 2000 + frames, 'floor': 0.1,
                'kernel': 0.05}
    rows = {row.what: row for row in throughput_prepare._rows(8, 40, numbers(8), numbers(40))}
    assert rows['prepare, CPU a frame, growing part'].measured == pytest.approx(2)
    assert rows['prepare, CPU once a CCD'].measured == pytest.approx(30)
    assert rows['prepare, CPU a frame at 1300 frames'].measured == pytest.approx(2 + 30 / 1300)
    assert rows['prepare, CPU a frame at 1300 frames'].ratio == pytest.approx(20.2, abs=0.1)
    assert rows['cube, bytes once a CCD'].measured == pytest.approx(5)
    assert rows['prepare, peak memory'].measured == pytest.approx(2.04)


def test_floors_move_the_bytes_that_they_are_told(tmp_path, monkeypatch):
    frame, moved = tmp_path / 'frame', []
    frame.write_bytes(bytes(8000))
    monkeypatch.setattr(floors, 'write_synced', lambda path, content: (
        moved.append(len(content)), path.write_bytes(content)))
    monkeypatch.setattr(floors.os, 'preadv', lambda handle, buffers, offset: (
        moved.append((len(buffers[0]), offset)), len(os.pread(handle, len(buffers[0]), offset)))[1])
    floors.frame_floor(frame, 4000, 500, tmp_path)()
    assert moved == [500]
    floors.stars_floor(frame, [3000, 3000, 3000], 70, tmp_path)()
    assert moved[1:] == [(3000, 0), 70, (3000, 3000), 70, (3000, 0), 70]
    assert [path.name for path in tmp_path.iterdir()] == ['frame']
