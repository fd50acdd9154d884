"""Flags of target pixel files in the cubes of their CCD, and what happens when those files change."""

import dataclasses
import json
import logging
from types import SimpleNamespace

import numpy as np
import pytest
import target_pixels

from photometry import settings
from photometry.catalogs.table import TableCatalog
from photometry.core.errors import IncompatibleError
from photometry.files import cube, paths, tesscut
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import stamp_of_size
from photometry.stages import make_catalog, prepare_photometry, simulate, target_files
from photometry.stages.prepare import selection, target_quality

PLAN = SectorPlan(seed=4, frames=12, stamp=stamp_of_size(24, 24), number=8, bright=9.0, faint=12.0,
                  background='quiet', faults=False, gap=False)
TIMES = PLAN.frames * 15


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    simulate.simulate(folder, PLAN)
    make_catalog.make_catalog(folder, PLAN.sector, TableCatalog(folder / 'stars.ecsv'),
                              settings.load().catalog)
    return folder


@pytest.fixture
def folder(images, tmp_path):
    for path in (*images.glob('*astrocut.fits'), *images.glob('*.sqlite')):
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def target(folder, first, starid, quality, data_rel=20, **facts):
    """A target pixel file whose 15 first cadences lie in the first exposure, corrected for another place."""
    time = first + (np.arange(TIMES) + 0.5) * 120 / 86400 + 0.004
    stated = dataclasses.replace(target_pixels.FACTS, data_rel=data_rel, **facts)
    return target_pixels.write(folder, stated, starid=starid, times=TIMES, time=time, quality=quality,
                               timecorr=np.full(TIMES, 0.004), cadenceno=1000 + np.arange(TIMES))


def first_start(folder):
    """Spacecraft time at which the first exposure begins."""
    frame = tesscut.read_tesscut(paths.find_tesscuts(folder)[0].path).frames[0]
    return frame.time_start - frame.timecorr


def carried(folder):
    """Quality of the frames with the flags of the target pixel files, and the names of what told."""
    source = selection.select_tesscut(folder, paths.find_tesscuts(folder)[0].path)
    files = target_files.by_ccd(folder).get((PLAN.sector, PLAN.camera, PLAN.ccd), ())
    source = target_quality.flagged(source, files, folder)
    return [frame.quality for frame in source.frames], {entry.name for entry in source.inputs()}


def test_flags_are_carried_and_the_files_named(folder, caplog):
    start, quality = first_start(folder), np.zeros(TIMES, 'i4')
    quality[[20, 3 * 15 + 14]] = 32
    quality[5 * 15:5 * 15 + 9], quality[7 * 15:7 * 15 + 3] = 4096, 4096
    quality[8 * 15:9 * 15] = 128
    one = target(folder, start, 81, quality)
    other = target(folder, start, 82, np.where(np.arange(TIMES) == 9 * 15, 8, 0))
    elsewhere = target(folder, start, 83, np.full(TIMES, 4), ccd=3)
    caplog.set_level(logging.INFO)
    found, inputs = carried(folder)
    assert found == [0, 32, 0, 32, 0, 4096, 0, 0, 0, 8, 0, 0]
    assert {one.name, other.name} < inputs and elsewhere.name not in inputs
    assert 'DESATURATION in 2, SCATTERED_LIGHT in 1 of 12 frames' in caplog.text


def test_scattered_light_of_later_releases_is_each_targets_own(folder):
    target(folder, first_start(folder), 81, np.full(TIMES, 4096 | 2048), data_rel=30)
    assert set(carried(folder)[0]) == {2048}


def test_a_spoilt_file_tells_nothing_and_stops_nothing(folder, caplog):
    bad = target(folder, first_start(folder), 81, np.full(TIMES, 8, 'i4'))
    content = bytearray(bad.read_bytes())
    content[-20000] ^= 1
    bad.write_bytes(content)
    found, inputs = carried(folder)
    assert 'No quality is taken from it' in caplog.text and 'DATASUM' in caplog.text
    assert not any(found) and bad.name not in inputs


def prepare(folder, **words):
    report = prepare_photometry.prepare_photometry(folder, settings.load(), **words)
    return report.failures, report.cubes


def test_a_cube_knows_who_told_and_notices_when_they_change(folder):
    one = target(folder, first_start(folder), 81, np.where(np.arange(TIMES) == 100, 8, 0))
    failures, (path,) = prepare(folder)
    with cube.CubeFile(path) as made:
        assert not failures and made.quality.tolist() == [0] * 6 + [8] + [0] * 5
        assert one.name in {entry['name'] for entry in json.loads(made.attributes['manifest'])}
    assert prepare(folder) == ([], [path])
    target(folder, first_start(folder), 81, np.full(TIMES, 32, 'i4'))
    (error,), _ = prepare(folder)
    assert isinstance(error, IncompatibleError) and f'another version of {one.name}' in str(error)
    one.unlink()
    (error,), _ = prepare(folder)
    assert '1 input files more' in str(error) and one.name in str(error)


def test_a_few_files_speak_for_all_and_further_ones_hardly_change_which(tmp_path):
    files = [target_pixels.write(tmp_path, starid=100 + number, times=2) for number in range(30)]
    source = SimpleNamespace(frames=[SimpleNamespace(time_start=1437.9, time_stop=1438.0, timecorr=0.0,
                                                     quality=0)])
    told = [{entry.name for entry in target_quality.flagged(source, files[:count], tmp_path).told}
            for count in (30, 29, 5)]
    assert [len(names) for names in told] == [9, 9, 5] and len(told[0] & told[1]) >= 8
    again = target_quality.flagged(source, files[::-1], tmp_path)
    assert {entry.name for entry in again.told} == told[0]


def test_without_files_the_source_stays(tmp_path):
    source = SimpleNamespace(frames=[])
    assert target_quality.flagged(source, (), tmp_path) is source
