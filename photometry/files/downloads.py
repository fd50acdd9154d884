"""Fetch a file from the network: continued where it was cut off, verified, whole or not there at all."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from photometry.core.errors import ArchiveError, InputBadError
from photometry.files import atomic
from photometry.files.web import DamagedError, NoRestError, place

logger = logging.getLogger(__name__)

MAX_BYTES = 8 << 30
"""Largest file that is fetched unless the caller knows better."""

_RANGE = re.compile(r'bytes (\d{1,15})-\d{1,15}/(\d{1,15})')


def download(web, urls, path, verify, max_bytes=MAX_BYTES) -> int:
    """Fetch a file from the first of several places that has it.

    What a killed or broken download has left is continued where the server
    says, by an ETag or a date, that the file is still the same one; otherwise
    it begins anew.

    Parameters
    ----------
    web : photometry.files.web.Web
    urls : sequence of str
        Addresses of the same file, the first is asked first.
    path : path-like
        Final name; beside it lie ``.<name>.part`` and a note of where that is from while it is incomplete.
    verify : callable
        Called with the path of the complete part; raises InputBadError when it is not what it should be.
    max_bytes : int

    Returns
    -------
    int
        Bytes that came over the network.

    Raises
    ------
    ArchiveError
        The last place's, when none of them has the file, whole and sound; or when another process
        fetches it.
    OutputError
        When it cannot be written.
    DrainedError
    """
    path = Path(path)
    atomic.make_directory(path.parent)
    with _Part.of(path) as part:
        for index, url in enumerate(urls):
            try:
                read = web.repeated(lambda url=url: _attempt(web, url, part, verify, max_bytes), url)
                break
            except ArchiveError as error:
                if index + 1 == len(urls):
                    raise
                logger.info('%s Asking %s.', error, place(urls[index + 1]))
        part.finish()
    return read


def _attempt(web, url, part, verify, max_bytes):
    """One try; returns the bytes read."""
    start, source = part.standing(url)
    if source and start == source.total:
        _verify(part, verify)
        return 0
    headers = {'Range': f'bytes={start}-', 'If-Range': source.validator} if start else {}
    try:
        with web.opened(url, headers=headers) as answer:
            start, total = _extent(answer, start)
            if total is not None and total > max_bytes:
                raise ArchiveError(f'{place(url)} has {total} bytes, more than a file of its kind; look what '
                                   'it is.')
            if not start:
                part.begin(_Source(url, _validator(answer.headers), total))
            read = part.append(web.blocks(answer), max_bytes)
    except NoRestError:
        part.forget()
        raise
    if total not in (None, part.size):
        sent = part.size
        part.forget()
        raise DamagedError(f'it sent {sent} bytes, not {total}')
    _verify(part, verify)
    return read


def _verify(part, verify):
    """What does not pass is thrown away and asked for again: a proxy may have damaged it."""
    try:
        verify(part.path)
    except InputBadError as error:
        part.forget()
        raise DamagedError(f'what it sent is damaged ({str(error).partition(": ")[2] or error})') from error


def _extent(answer, start):
    """From which byte on an answer goes, and how long the whole file is (None when unknown)."""
    if answer.status != 206:
        return 0, answer.length
    match = _RANGE.fullmatch(answer.headers.get('Content-Range', '').strip())
    if match is None or int(match[1]) != start:
        raise NoRestError('it does not have the rest of the file')
    return start, int(match[2])


def _validator(headers):
    """What tells this version of the file from others: a strong ETag or a date; '' without one."""
    etag = headers.get('ETag', '').strip()
    if etag.startswith('"') and etag.isprintable():
        return etag[:200]
    return headers.get('Last-Modified', '').strip()[:60]


@dataclass(frozen=True)
class _Source:
    """Where an incomplete file is from."""

    url: str
    validator: str
    total: int | None


class _Part:
    """The incomplete file, held by one process at a time."""

    def __init__(self, final, path, file):
        self.final, self.path, self._file = final, path, file
        self._note = path.with_name(path.name + '.json')

    @classmethod
    @contextlib.contextmanager
    def of(cls, final):
        """The part of a file, locked while open; what is left of it stays."""
        path = final.with_name(f'.{final.name}.part')
        with atomic.explained_output(path), _locked(path, final) as file:
            yield cls(final, path, file)

    @property
    def size(self):
        """Bytes that stand."""
        self._file.flush()
        return os.fstat(self._file.fileno()).st_size

    def standing(self, url):
        """Bytes that can be continued from an address and their `_Source`; (0, None) to begin anew."""
        try:
            source = _Source(**json.loads(self._note.read_text()))
        except (OSError, ValueError, TypeError):
            return 0, None
        usable = source.url == url and isinstance(source.validator, str) and source.validator
        return (self.size, source) if usable else (0, None)

    def begin(self, source):
        """Start anew; old bytes go first, so that no note ever vouches for the bytes of another file."""
        self.forget()
        atomic.write_bytes(self._note, json.dumps(asdict(source)).encode())

    def append(self, blocks, max_bytes):
        """Write blocks as they come; returns how many bytes."""
        read, room = 0, max_bytes - self.size
        for block in blocks:
            self._file.write(block)
            read += len(block)
            if read > room:
                self.forget()
                raise ArchiveError(f'{self.final.name} has more bytes than a file of its kind; look what its '
                                   'address leads to.')
        return read

    def forget(self):
        """Throw away what stands."""
        self._note.unlink(missing_ok=True)
        self._file.truncate(0)

    def finish(self):
        """Give the whole file its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        os.replace(self.path, self.final)
        self._note.unlink(missing_ok=True)
        atomic.sync(self.final.parent)


@contextlib.contextmanager
def _locked(path, final):
    """The file, held alone; one that another process has renamed meanwhile is not held. Empty, it goes."""
    while True:
        with open(path, 'ab') as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ArchiveError(f'{final} is being fetched by another process; wait for that one, or stop '
                                   'it.') from error
            if not atomic.bears(path, file.fileno()):
                continue
            try:
                yield file
            finally:
                file.flush()
                if atomic.bears(path, file.fileno()) and not os.fstat(file.fileno()).st_size:
                    path.unlink()
            return
