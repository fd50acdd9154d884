"""Work side by side: bounded, in order, stopped cleanly."""

import threading
import warnings

import archive_stubs
import pytest
from http_stub import Stub

from photometry.core.errors import ArchiveError
from photometry.files.archives import Archives
from photometry.settings import load


@pytest.fixture
def archives(tmp_path):
    with Stub() as stub:
        yield archive_stubs.archives(tmp_path, stub, parallel=3)


def test_as_the_settings_say(tmp_path):
    settings = load().fetch
    found = Archives.reached(settings, tmp_path, {})
    assert found.cache.folder == tmp_path / 'queries' and found.parallel == settings.parallel == 4
    assert (found.web.timeout, found.web.attempts) == (settings.timeout, settings.attempts)
    assert len(found.gaia) == 3
    assert all(url.startswith('https://') for url in (found.mast, found.cloud, *found.gaia))
    assert Archives.reached(settings, tmp_path, {'TESSPHOT_QUERIES': '/x'}).cache.folder.as_posix() == '/x'


def test_results_in_order_and_no_more_at_a_time(archives):
    running, most, lock, gate = set(), [], threading.Lock(), threading.Barrier(3)

    def work(item):
        with lock:
            running.add(item)
            most.append(len(running))
        if item < 3:
            gate.wait(10)
        with lock:
            running.discard(item)
        return item * item
    assert archives.all_of(work, range(20)) == [item * item for item in range(20)]
    assert max(most) == 3 and archives.all_of(work, []) == []


def test_few_items_are_taken_ahead(archives):
    taken = []

    def items():
        for item in range(1000):
            taken.append(item)
            yield item
    ended = archives.side_by_side(lambda item: item, items())
    next(ended)
    ended.close()
    assert len(taken) <= 6


def test_the_first_problem_leaves_and_nothing_new_begins(archives):
    begun = []

    def work(item):
        begun.append(item)
        if item == 2:
            raise ArchiveError('no')
    with pytest.raises(ArchiveError, match='no'):
        archives.all_of(work, range(500))
    assert len(begun) < 20
    assert threading.active_count() < 10


def test_filters_of_warnings_stay_as_they_were(archives):
    before = list(warnings.filters)

    def work(item):
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
    archives.all_of(work, range(50))
    assert warnings.filters == before
