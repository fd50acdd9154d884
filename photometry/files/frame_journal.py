"""Keep what was learned of each frame, so that a killed run does not learn it again."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import zlib
from pathlib import Path

import numpy as np

from photometry.core.errors import UsageError
from photometry.files import atomic

_MAGIC = 'tessphot frame journal 1.0'
_TEXT = 240
_MAX_HEADER = 64 << 20


class FrameJournal:
    """An append-only file of records of equal size behind one line of JSON.

    A record holds the index of a frame, two integers, a text, an array of
    numbers and a CRC-32; what a kill leaves half-written at the end is cut off
    when the file is opened again. The file is locked while it is open.

    Parameters
    ----------
    path : path-like
    identity : photometry.files.identity.Identity
        Whose journal this must be.
    numbers : int
        Length of the array of a record, float32.
    fresh : bool
        Whether to forget what an earlier run has left.

    Raises
    ------
    UsageError
        When another process has it open.
    IncompatibleError
        When it was begun with other settings, inputs or software.
    OutputError
        When it cannot be written.
    """

    def __init__(self, path, identity, numbers, fresh=False):
        self.path = Path(path)
        self._type = np.dtype([('index', '<i4'), ('status', '<i4'), ('quality', '<i4'),
                               ('text', f'S{_TEXT}'), ('numbers', '<f4', (numbers,)), ('crc', '<u4')])
        self._handle = _open_locked(self.path)
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, self._handle)
            self.records = self._load(identity, fresh)
            _introduce(self.path)
            stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        _owner_path(self.path).unlink(missing_ok=True)
        os.close(self._handle)

    def _load(self, identity, fresh):
        """Records of an earlier run by index; a foreign or damaged start is an empty journal."""
        header = json.dumps({'magic': _MAGIC, 'size': self._type.itemsize, **identity.attributes()})
        with open(os.dup(self._handle), 'rb') as file:
            file.seek(0)
            line = file.readline(_MAX_HEADER)
            found = None if fresh else _parse(line)
            if found:
                identity.check(self.path, found)
            if not found or found.get('size') != self._type.itemsize:
                return self._begin(header)
            content = file.read()
        whole = len(content) // self._type.itemsize
        records = np.frombuffer(content[:whole * self._type.itemsize], self._type)
        valid = np.array([zlib.crc32(record.tobytes()[:-4]) == record['crc'] for record in records], bool)
        kept = whole if valid.all() else int(np.argmin(valid))
        os.ftruncate(self._handle, len(line) + kept * self._type.itemsize)
        os.lseek(self._handle, 0, os.SEEK_END)
        return {int(record['index']): record for record in records[:kept]}

    def _begin(self, header):
        with atomic.explained_output(self.path):
            os.ftruncate(self._handle, 0)
            os.lseek(self._handle, 0, os.SEEK_SET)
            _write(self._handle, (header + '\n').encode())
        return {}

    def add(self, index, status=0, quality=0, text='', numbers=None):
        """Append a record; `records` has it at once."""
        record = np.zeros((), self._type)
        record['index'], record['status'], record['quality'] = index, status, quality
        record['text'] = text.encode('ascii', 'replace')[:_TEXT]
        record['numbers'] = np.nan if numbers is None else numbers
        record['crc'] = zlib.crc32(record.tobytes()[:-4])
        with atomic.explained_output(self.path):
            _write(self._handle, record.tobytes())
        self.records[index] = record[()]

    def remove(self):
        """Delete the file; the journal stays usable until it is closed."""
        self.path.unlink(missing_ok=True)


def remove_idle(path):
    """Delete a journal that no run has open."""
    path = Path(path)
    if not path.exists():
        return
    with contextlib.suppress(UsageError):
        handle = _open_locked(path)
        path.unlink(missing_ok=True)
        os.close(handle)


def state(path) -> tuple[int, bool]:
    """How many records a journal has, and whether a run has it open; nothing is changed.

    Raises
    ------
    OSError
    """
    with open(path, 'rb') as file:
        line = file.readline(_MAX_HEADER)
        size = (_parse(line) or {}).get('size')
        left = os.fstat(file.fileno()).st_size - len(line)
        return (left // size if isinstance(size, int) and size > 0 else 0), atomic.is_locked(file)


def _open_locked(path):
    """A locked handle of the file that bears the name; one that its owner has just removed is let go."""
    while True:
        with atomic.explained_output(path):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, handle)
            _lock(path, handle)
            if atomic.bears(path, handle):
                stack.pop_all()
                return handle


def _lock(path, handle):
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f'{path} is in use by another run{_who(path)}; wait for its end.') from error
    except OSError:
        pass  # file systems without locks


def _owner_path(path):
    return path.with_name(path.name + '.owner')


def _introduce(path):
    """Leave word of who holds the lock; only the sentence for the others needs it."""
    with contextlib.suppress(OSError):
        _owner_path(path).write_text(f'process {os.getpid()} on {socket.gethostname()}')


def _who(path):
    try:
        with open(_owner_path(path), encoding='utf-8', errors='replace') as file:
            words = file.read(200)
            return f' ({words})' if words else ''  # it may be about to say who it is
    except OSError:
        return ''


def _parse(line):
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get('magic') == _MAGIC else None


def _write(handle, content):
    while content:
        content = content[os.write(handle, content):]
