"""Ask servers in the network: patient with those that fail for a while, never trusting an answer."""

from __future__ import annotations

import contextlib
import email.utils
import logging
import random
import re
import time
import zlib
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from photometry.core.errors import ArchiveDownError, ArchiveError, DrainedError

logger = logging.getLogger(__name__)

MAX_BYTES = 512 << 20
"""Largest answer to a query, unzipped."""

LONGEST_PAUSE = 300.0
"""Seconds; a server that asks for more with Retry-After is not waited for."""

_BLOCK = 1 << 16
_PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Answers that may be another one later (RFC 9110, RFC 6585)."""

_PATIENCE = 20
"""Timeouts that a whole answer to a query may take."""

_NO_NETWORK = (('NameResolution', 'its name is not known here (no network?)'),
               ('unreachable', 'the network is unreachable'))
_PAGES = b'<!doctype html', b'<html', b'<head', b'<body'


class PassingError(Exception):
    """A request failed in a way that may pass; ``pause`` is what the server asked for, in s, or None."""

    def __init__(self, words, pause=None):
        super().__init__(words)
        self.pause = pause


class DamagedError(PassingError):
    """The server answered, but not with what was expected: cut off, changed on its way, or strange."""


class NoNetworkError(PassingError):
    """There seems to be no network at all, which patience rarely cures."""


class NoRestError(PassingError):
    """The server does not have the bytes behind those that stand; the file must begin anew."""


class Stop:
    """The wish to stop, which a handler of signals may express whatever it interrupts.

    A `threading.Event` may not: its lock may be held by what was interrupted.
    """

    def __init__(self):
        self._wished = False

    def set(self):
        """Wish to stop."""
        self._wished = True

    def is_set(self) -> bool:
        """Whether somebody did."""
        return self._wished

    def wait(self, seconds):
        """Sleep, but no longer than until somebody wishes to stop, about."""
        latest = time.monotonic() + seconds
        while not self._wished and (left := latest - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))


@dataclass(frozen=True)
class Answer:
    """A server's answer whose body is still to be read."""

    url: str
    status: int
    headers: object
    """Mapping without regard to case."""
    raw: object = field(repr=False)
    """`urllib3.response.HTTPResponse`."""

    @property
    def length(self) -> int | None:
        """Bytes that the server announces, None when it does not."""
        text = self.headers.get('Content-Length', '')
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


@dataclass(frozen=True)
class Web:
    """How requests are made.

    Parameters
    ----------
    timeout : float
        Seconds without a byte after which a request is given up.
    attempts : int
        How often a request is made that fails in a way that may pass.
    pause : float
        Seconds before the second attempt, about; doubled before each further one.
    stop : Stop
        Once set, no request is begun, and those in flight end with `DrainedError`.
    """

    timeout: float = 60.0
    attempts: int = 5
    pause: float = 1.0
    stop: Stop = field(default_factory=Stop)
    _down: set = field(default_factory=set, repr=False)
    """Servers that were of no use the last time; they are asked only once until they answer again."""

    def ask(self, url, parse, *, what, params=None, data=None, max_bytes=MAX_BYTES):
        """The answer to a query, whole and understood.

        Parameters
        ----------
        url : str
        parse : callable
            Takes the body as bytes; a ValueError says that it is not what was expected, as when it was
            cut off, and the question is asked again.
        what : str
            What is expected, for messages, such as ``'JSON'``.
        params, data : dict, optional
            Of the address, and of a form; with the latter the request is a POST.
        max_bytes : int
            Longest body, unzipped.

        Returns
        -------
        body : bytes
        parsed
            What ``parse`` returned.

        Raises
        ------
        ArchiveError
            When the server does not answer, refuses, or answers with something else.
        DrainedError
        """
        def attempt():
            with self.opened(url, params=params, data=data, headers={'Accept-Encoding': 'gzip'}) as answer:
                body = self._body(answer, max_bytes)
            _refuse_page(answer, body, what)
            try:
                return body, parse(body)
            except ValueError as error:
                raise DamagedError(f'its answer is not {what} as expected ({error})') from error
        return self.repeated(attempt, url)

    def repeated(self, attempt, url):
        """Do something until it no longer raises `PassingError`, as often as is allowed."""
        server = place(url).partition('://')[2].partition('/')[0]
        attempts = 1 if server in self._down else self.attempts
        for number in range(1, attempts + 1):
            self.check()
            try:
                result = attempt()
                self._down.discard(server)
                return result
            except PassingError as error:
                failure = error
            hopeless = isinstance(failure, NoNetworkError) and number > 1
            if hopeless or (number < attempts and not self._wait(number, failure, url)):
                break
        if isinstance(failure, DamagedError):
            kind = ArchiveError
        else:
            kind = ArchiveDownError
            self._down.add(server)
        raise kind(f'{place(url)} is of no use now: {failure} (tries: {number}); check the network, or give '
                   'the same command again later.') from failure

    def _wait(self, number, failure, url):
        """Sleep before the next attempt; False when the server wants more time than there is."""
        if failure.pause is not None and failure.pause > LONGEST_PAUSE:
            return False
        seconds = min(self.pause * 2 ** (number - 1), 60.0) * random.uniform(0.5, 1.5)
        seconds = max(seconds, failure.pause or 0.0)
        logger.info('%s: %s; once more in %.1f s.', place(url), failure, seconds)
        self.stop.wait(seconds)
        return True

    def size(self, urls) -> int | None:
        """Bytes of a file that lies at several places, None where no place says; raises DrainedError."""
        def attempt(url):
            with self.opened(url, method='HEAD') as answer:
                return answer.length
        for url in urls:
            try:
                return self.repeated(lambda url=url: attempt(url), url)
            except ArchiveError as error:
                logger.debug('%s', error)
        return None

    def check(self):
        """Stop here if that was asked for.

        Raises
        ------
        DrainedError
        """
        if self.stop.is_set():
            raise DrainedError('Stopped as asked; the same command continues the work.')

    @contextlib.contextmanager
    def opened(self, url, *, method=None, params=None, data=None, headers=None, redirect=True):
        """One request, made once; its answer is closed at the end.

        Yields
        ------
        Answer

        Raises
        ------
        PassingError
            When there is no answer, or one that may be another later.
        ArchiveError
            When the server refuses for good, or the address cannot be used.
        """
        import requests
        try:
            with requests.Session() as session, session.request(
                    method or ('GET' if data is None else 'POST'), url, params=params, data=data,
                    headers={'User-Agent': 'tessphot', 'Accept-Encoding': 'identity', **(headers or {})},
                    timeout=(min(self.timeout, 30.0), self.timeout), stream=True,
                    allow_redirects=redirect) as response:
                answer = Answer(response.url, response.status_code, response.headers, response.raw)
                self._check_status(answer)
                yield answer
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema,
                requests.exceptions.InvalidSchema, requests.exceptions.TooManyRedirects) as error:
            raise ArchiveError(f'{place(url)} is no address that can be asked; correct section [fetch] of '
                               'the settings.') from error
        except requests.RequestException as error:
            raise _failure(error) from error

    def _check_status(self, answer):
        if answer.status in _PASSING:
            raise PassingError(f'it answers {answer.status}', _retry_after(answer.headers))
        if answer.status == 416:
            raise NoRestError('it does not have the rest of the file')
        if answer.status >= 400:
            start = b''
            with contextlib.suppress(PassingError):
                start = next(self.blocks(answer), b'')[:2000]
            raise ArchiveError(f'{place(answer.url)} answers {answer.status}{_saying(start)}; look whether '
                               'it has what was asked for, and whether section [fetch] of the settings names '
                               'it rightly.')

    def blocks(self, answer):
        """The body as it comes, block by block.

        Raises
        ------
        PassingError
            When it is cut off, or nothing comes.
        DrainedError
        """
        import urllib3
        read = 0
        while True:
            self.check()
            try:
                block = answer.raw.read1(_BLOCK, decode_content=False)
            except (OSError, urllib3.exceptions.HTTPError) as error:
                raise _failure(error) from error
            if not block:
                break
            read += len(block)
            yield block
        if answer.length not in (None, read):
            raise PassingError(f'its answer was cut off after {read} of {answer.length} bytes')

    def _body(self, answer, max_bytes):
        """The whole body, unzipped and of bounded length."""
        unzip = zlib.decompressobj(16 + zlib.MAX_WBITS) if _is_zipped(answer) else None
        parts, size, latest = [], 0, time.monotonic() + _PATIENCE * self.timeout
        for block in self.blocks(answer):
            if time.monotonic() > latest:
                raise PassingError(f'its answer took more than {_PATIENCE * self.timeout:g} s')
            part = _unzipped(unzip, block, max_bytes - size) if unzip else block
            size += len(part)
            if size > max_bytes:
                raise ArchiveError(f'{place(answer.url)} answers with more than {max_bytes >> 20} MB; ask '
                                   'for less, such as a smaller --buffer or a brighter --faint-limit.')
            parts.append(part)
        if unzip and not unzip.eof:
            raise PassingError('its zipped answer was cut off')
        return b''.join(parts)


def place(url) -> str:
    """An address without what was asked there, for messages."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f'An address ({url[:40]!r})'
    return f'{parts.scheme}://{parts.netloc.rpartition("@")[2]}{parts.path}'[:200]


def _is_zipped(answer):
    return answer.headers.get('Content-Encoding', '').strip().lower() in ('gzip', 'x-gzip')


def _unzipped(unzip, block, room):
    """At most one byte more than there is room for."""
    try:
        return unzip.decompress(block, max(room, 0) + 1)
    except zlib.error as error:
        raise PassingError(f'its zipped answer is damaged ({error})') from error


def _refuse_page(answer, body, what):
    """A page for people is no answer, whatever its status."""
    kind = answer.headers.get('Content-Type', '').partition(';')[0].strip().lower()
    if kind in ('text/html', 'application/xhtml+xml') or body[:1000].lstrip().lower().startswith(_PAGES):
        raise ArchiveError(f'{place(answer.url)} answers with a web page where {what} was expected: it is '
                           'closed, or a login stands before it; open that address in a browser, and try '
                           'again later.')


def _retry_after(headers):
    """Seconds that a server asks to be left alone, None when it does not say."""
    text = headers.get('Retry-After', '').strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return max(moment - time.time(), 0.0)


def _saying(start):
    """The beginning of an answer of text, for messages."""
    text = ' '.join(re.sub(r'<[^>]*>', ' ', start.decode('utf-8', 'replace')).split())
    return f' ({text[:150]})' if text.isprintable() and text else ''


def _failure(error) -> PassingError:
    """What went wrong with a connection, in a few words."""
    import requests
    text = str(error)
    if isinstance(error, requests.exceptions.SSLError):
        return PassingError('its certificate is not accepted')
    if 'timed out' in text.lower():
        return PassingError('no answer in time')
    for sign, words in _NO_NETWORK:
        if sign in text:
            return NoNetworkError(words)
    for sign, words in (('refused', 'the connection is refused'),
                        ('IncompleteRead', 'its answer was cut off')):
        if sign in text:
            return PassingError(words)
    return PassingError(f'the connection failed ({type(error).__name__})')
