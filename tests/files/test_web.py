"""Requests to servers that fail, stall, cut off, bomb, or speak of something else."""

import email.utils
import gzip
import json
import socket
import threading
import time

import pytest
from http_stub import PAGE, Reply, Stub
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photometry.core.errors import ArchiveDownError, ArchiveError, DrainedError
from photometry.files import web as web_file
from photometry.files.web import Web

GOOD = json.dumps({'rows': list(range(1000))}).encode()
ZIPPED = gzip.compress(GOOD)
ZIP = {'Content-Encoding': 'gzip'}


def web(**changes):
    return Web(**{'timeout': 5.0, 'attempts': 3, 'pause': 0.001} | changes)


def ask(stub, made=None, **words):
    return (made or web()).ask(stub.url + '/x', json.loads, what='JSON', **words)[1]


def test_an_answer_plain_and_zipped(stub):
    stub.routes['/x'] = [Reply(GOOD), Reply(ZIPPED, headers=ZIP), Reply(GOOD, length=False)]
    for _ in range(3):
        assert ask(stub)['rows'][-1] == 999
    assert stub.asked()[0].headers['Accept-Encoding'] == 'gzip'


def test_forms_and_addresses(stub):
    stub.routes['/x'] = Reply(b'{}')
    ask(stub, params={'ra': 1.5, 'uri': 'mast:TESS/a b'})
    ask(stub, data={'request': '{"a": "ü&="}'})
    first, second = stub.asked()
    assert (first.method, first.query) == ('GET', {'ra': '1.5', 'uri': 'mast:TESS/a b'})
    assert (second.method, second.form) == ('POST', {'request': '{"a": "ü&="}'})


@pytest.mark.parametrize('bad', [
    Reply(GOOD, 503), Reply(GOOD, 500), Reply(b'', 429, {'Retry-After': '0'}), Reply(GOOD, cut=0),
    Reply(GOOD, cut=40), Reply(ZIPPED[:-12], headers=ZIP), Reply(ZIPPED, headers=ZIP, cut=30),
    Reply(GOOD, headers=ZIP), Reply(GOOD[:-9]), Reply(b''), Reply(b'\xff\xfe\x00'),
    Reply(ZIPPED[:50] + b'xxxx' + ZIPPED[54:], headers=ZIP)])
def test_what_may_pass_is_asked_again(stub, bad):
    stub.routes['/x'] = [bad, Reply(GOOD)]
    assert len(ask(stub)['rows']) == 1000
    assert len(stub.asked()) == 2
    stub.routes['/x'] = bad
    with pytest.raises(ArchiveError, match=r'127.0.0.1:\d+/x is of no use now: .*\(tries: 3\)') as caught:
        ask(stub)
    assert len(stub.asked()) == 5 and caught.value.exit_code == 4


def test_a_server_that_was_down_is_asked_once_until_it_answers(stub):
    made = web()
    stub.routes['/x'] = Reply(b'', 500)
    for expected in (3, 4, 5):
        with pytest.raises(ArchiveDownError):
            ask(stub, made)
        assert len(stub.asked()) == expected
    stub.routes['/x'] = [Reply(GOOD), Reply(b'', 500), Reply(GOOD)]
    assert ask(stub, made) == ask(stub, made)
    stub.routes['/x'] = Reply(b'{')
    for _ in range(2):
        asked = len(stub.asked())
        with pytest.raises(ArchiveError) as caught:
            ask(stub, made)
        assert len(stub.asked()) == asked + 3 and not isinstance(caught.value, ArchiveDownError)


def test_silence_and_drips_end(stub):
    stub.routes['/x'] = Reply(silent=True)
    with pytest.raises(ArchiveError, match='no answer in time'):
        ask(stub, web(timeout=0.1, attempts=2))
    assert len(stub.asked()) == 2
    stub.routes['/x'] = Reply(drip=True, length=False)
    with pytest.raises(ArchiveError, match='took more than 2 s'):
        ask(stub, web(timeout=0.1, attempts=1))


def test_nobody_there(monkeypatch):
    with Stub() as gone:
        url = gone.url
    with pytest.raises(ArchiveError, match='refused'):
        web().ask(url, json.loads, what='JSON')

    def unknown(*_, **__):
        raise socket.gaierror(-2, 'Name or service not known')
    monkeypatch.setattr(socket, 'getaddrinfo', unknown)
    with pytest.raises(ArchiveError, match='its name is not known here.*tries: 2'):
        web(attempts=9).ask('http://no-such-host.invalid/x', json.loads, what='JSON')


@pytest.mark.parametrize('url', ['ftp://a/b', 'nonsense', 'http://', 'file:///etc/passwd', 'http://[::1'])
def test_no_address(url):
    with pytest.raises(ArchiveError, match=r'correct section \[fetch\]'):
        web().ask(url, json.loads, what='JSON')


@pytest.mark.parametrize(('status', 'body', 'words'), [
    (404, b'no such thing', 'answers 404 (no such thing)'),
    (401, PAGE, '401 (Closed Maintenance until Monday)'), (400, b'\x00\xff', 'answers 400;')])
def test_refusals_are_not_asked_again(stub, status, body, words):
    stub.routes['/x'] = Reply(body, status)
    with pytest.raises(ArchiveError) as caught:
        ask(stub)
    assert words in str(caught.value) and len(stub.asked()) == 1


def test_a_page_for_people_is_named(stub):
    for reply in (Reply(PAGE), Reply(GOOD, headers={'Content-Type': 'text/html; charset=utf-8'}),
                  Reply(gzip.compress(b'\n <HTML>x'), headers=ZIP)):
        stub.routes['/x'] = reply
        with pytest.raises(ArchiveError, match='a web page where JSON was expected.*open that address'):
            ask(stub)
    assert len(stub.asked()) == 3


def test_the_size_of_an_answer_is_bounded(stub):
    bomb = gzip.compress(b'0' * (64 << 20))
    for reply in (Reply(bomb, headers=ZIP), Reply(b'1' * 3000)):
        stub.routes['/x'] = reply
        with pytest.raises(ArchiveError, match='answers with more than 0 MB'):
            ask(stub, max_bytes=2000)
    stub.routes['/x'] = Reply(b'1' * 2000)
    web().ask(stub.url + '/x', len, what='numbers', max_bytes=2000)


def test_pauses_grow_and_heed_the_server(stub, monkeypatch):
    waited = []
    made = web(attempts=5, pause=1.0)
    monkeypatch.setattr(made.stop, 'wait', waited.append)
    later = email.utils.formatdate(time.time() + 200, usegmt=True)
    stub.routes['/x'] = [Reply(b'', 503), Reply(b'', 503), Reply(b'', 503, {'Retry-After': '77'}),
                         Reply(b'', 429, {'Retry-After': later}), Reply(GOOD)]
    ask(stub, made)
    assert 0.5 <= waited[0] <= 1.5 and 1 <= waited[1] <= 3 and waited[2] == 77 and 100 < waited[3] <= 201
    stub.routes['/x'] = Reply(b'', 503, {'Retry-After': '86400'})
    with pytest.raises(ArchiveError, match='answers 503 .tries: 1.'):
        ask(stub, made)
    assert len(waited) == 4


@pytest.mark.parametrize('text', ['soon', '-5', 'Mon, 99 Jan 2026', '', '1e9'])
def test_nonsense_about_pauses_is_passed_over(stub, text):
    stub.routes['/x'] = [Reply(b'', 503, {'Retry-After': text}), Reply(GOOD)]
    assert ask(stub)['rows'][0] == 0


def test_stopping_ends_pauses_and_answers(stub):
    stub.routes['/x'] = Reply(b'', 503)
    made = web(pause=1e6)
    clock = threading.Timer(0.1, made.stop.set)
    clock.start()
    with pytest.raises(DrainedError):
        ask(stub, made)
    clock.join()
    stub.routes['/x'] = Reply(drip=True, length=False)
    made = web()
    clock = threading.Timer(0.2, made.stop.set)
    clock.start()
    with pytest.raises(DrainedError):
        ask(stub, made)
    clock.join()


def test_messages_name_no_password():
    assert web_file.place('https://me:secret@host:1/path?token=1') == 'https://host:1/path'


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200),
       st.sampled_from([{}, ZIP, {'Content-Type': 'text/html'}, {'Content-Encoding': 'br'}]),
       st.sampled_from([200, 204, 206, 301, 302, 304, 403, 416, 418, 500, 504, 599]))
def test_whatever_a_server_says_ends_in_a_sentence(stub, body, headers, status):
    stub.routes['/x'] = Reply(body, status, headers)
    try:
        ask(stub, web(attempts=1))
    except ArchiveError as error:
        assert str(error).endswith('.') and '\n' not in str(error)
