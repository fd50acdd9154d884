"""One scheduler a todo file: a locked file that says who it is."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import socket
from pathlib import Path

from photometry.core.errors import ExitCode, OutputError, TessphotError
from photometry.files.atomic import explained_output, is_locked

_MAX_BYTES = 4096


class HeldError(TessphotError):
    """Another scheduler works on the same todo file."""

    exit_code = ExitCode.RESUMABLE


def owner_path(todo) -> Path:
    """The file beside a todo file that its scheduler locks."""
    todo = Path(todo)
    return todo.with_name(todo.name + '.owner')


class Owner:
    """Holds the todo file until closed; the kernel lets go when the process dies.

    Raises
    ------
    HeldError
        At once, when another process holds it; the sentence names it.
    OutputError
        When the lock file cannot be written, or the file system has no locks.
    """

    def __init__(self, todo):
        self.path = owner_path(todo)
        try:
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise OutputError(f'Cannot write {self.path} ({error.strerror}); name a todo file elsewhere '
                              'with --todo.') from error
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self._lock(todo)
            self._introduce()
            undo.pop_all()

    def _lock(self, todo):
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _held(todo) from error
        except OSError as error:
            raise OutputError(f'Cannot lock {self.path}: {error.strerror}; put the todo file on a local '
                              'disk.') from error

    def _introduce(self):
        who = {'host': socket.gethostname(), 'pid': os.getpid(),
               'start': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')}
        with explained_output(self.path):
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, json.dumps(who).encode(), 0)

    def close(self):
        """Let go."""
        os.close(self._handle)


def holder(todo) -> dict:
    """What the lock file says: host, pid, start (empty when unreadable)."""
    try:
        said = json.loads(owner_path(todo).read_bytes()[:_MAX_BYTES])
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def describe(who) -> str:
    """A holder in words."""
    if not who:
        return 'another scheduler'
    return f'process {who.get("pid")} on {who.get("host")} since {who.get("start")}'


def _held(todo):
    return HeldError(f'{todo} is in use by {describe(holder(todo))}; wait for it, or stop it by SIGTERM.')


def refuse_held(todo):
    """Raise `HeldError` while a scheduler works on a todo file."""
    if is_held(todo):
        raise _held(todo)


def is_held(todo) -> bool:
    """Whether a scheduler works on a todo file now."""
    try:
        handle = os.open(owner_path(todo), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return is_locked(handle)
    finally:
        os.close(handle)
