"""Answers on disk: found by their question, believed only when whole."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photometry.core.errors import OutputError
from photometry.files.query_cache import QueryCache, digest


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3),
       st.binary(max_size=50))
def test_what_was_put_comes_back(tmp_path, query, answer):
    cache = QueryCache(tmp_path / 'queries')
    cache.put('mast', query, answer)
    assert cache.get('mast', query) == answer and cache.has('mast', query)
    assert QueryCache(tmp_path / 'queries').get('mast', dict(reversed(query.items()))) == answer
    assert cache.get('gaia', query) is None and cache.get('mast', query | {'more': 1}) is None
    cache.drop('mast', query)
    assert cache.get('mast', query) is None and not cache.has('mast', query)


def test_the_same_answer_gives_the_same_bytes(tmp_path):
    for name in 'ab':
        QueryCache(tmp_path / name).put('mast', {'x': 1}, b'answer' * 100)
    first, second = (QueryCache(tmp_path / name).path('mast', {'x': 1}) for name in 'ab')
    assert first.read_bytes() == second.read_bytes() and first.name == digest({'x': 1})[:40] + '.gz'


@pytest.mark.parametrize('place', [0, 5, 12, -1, -6])
def test_a_changed_byte_is_found(tmp_path, place):
    cache = QueryCache(tmp_path)
    cache.put('mast', {'x': 1}, b'some answer that is not short' * 9)
    path = cache.path('mast', {'x': 1})
    content = bytearray(path.read_bytes())
    content[place] ^= 255
    path.write_bytes(bytes(content))
    found = cache.get('mast', {'x': 1})
    assert found in (None, b'some answer that is not short' * 9)
    assert found is None or place == 5, 'only the time of a gzip file is not summed'


def test_old_answers_need_not_be_believed(tmp_path):
    QueryCache(tmp_path).put('mast', {'x': 1}, b'old')
    path = QueryCache(tmp_path).path('mast', {'x': 1})
    os.utime(path, (1000, 1000))
    anew = QueryCache(tmp_path, since=2000)
    assert anew.get('mast', {'x': 1}) is None and not anew.has('mast', {'x': 1})
    anew.put('mast', {'x': 1}, b'new')
    assert anew.get('mast', {'x': 1}) == b'new' == QueryCache(tmp_path).get('mast', {'x': 1})


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError, match='Cannot write'):
        QueryCache(tmp_path / 'file').put('mast', {}, b'')
