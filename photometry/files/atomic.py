"""Files appear whole under their final name or not at all."""

import contextlib
import errno
import fcntl
import glob
import os
import secrets
import shutil
from pathlib import Path

from photometry.core.errors import OutputError

_CAUSES = {
    errno.ENOSPC: 'the disk is full; free some space',
    errno.EDQUOT: 'the quota is used up; free some space',
    errno.EFBIG: 'the file would be larger than the limit of this process',
    errno.EROFS: 'the file system is read-only; choose another output directory',
    errno.EACCES: 'permission is denied; choose another output directory',
    errno.EPERM: 'permission is denied; choose another output directory',
    errno.EEXIST: 'a file of that name is in the way; move it away or choose another output directory',
    errno.ENOTDIR: 'a part of the path is a file, not a directory; choose another output directory',
}


def output_error(path, error):
    """An `OutputError` that names the file and the cure for an `OSError`."""
    cause = _CAUSES.get(error.errno, error.strerror or str(error))
    return OutputError(f'Cannot write {path}: {cause}.')


@contextlib.contextmanager
def explained_output(path):
    """Turn an `OSError` about ``path`` into an `OutputError` with the cure."""
    try:
        yield
    except OSError as error:
        raise output_error(path, error) from error


def make_directory(path):
    """Create a directory and its parents, saying why when that fails."""
    with explained_output(path):
        Path(path).mkdir(parents=True, exist_ok=True)
    return Path(path)


def bears(path, handle) -> bool:
    """Whether a name stands for an open file, which may have been renamed or removed meanwhile."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def is_locked(handle) -> bool:
    """Whether somebody holds the lock of an open file; False where that cannot be told."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def sync(path):
    """Make a file, or the names in a directory, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def replaced(path):
    """Give a temporary name to write to, which becomes ``path`` when all went well.

    The file is synced, renamed and its directory synced; after an exception
    nothing is left behind and an older ``path`` is untouched.

    Yields
    ------
    pathlib.Path
        In the directory of ``path``, ending in ``.tmp``.
    """
    with _in_place_of(path) as temporary:
        yield Path(temporary)
        sync(temporary)


@contextlib.contextmanager
def _in_place_of(path):
    """The same for who syncs the file himself; names are text, which a small file notices."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f'.{name}.{secrets.token_hex(4)}.tmp')
    placed = False
    try:
        with explained_output(path):
            yield temporary
            os.replace(temporary, path)
            placed = True
            sync(folder or os.curdir)
    finally:
        # on a read-only disk even this fails, and the first error says more
        with contextlib.suppress(OSError):
            if not placed:
                os.unlink(temporary)


@contextlib.contextmanager
def replaced_directory(path):
    """Give a temporary directory to fill, which becomes ``path`` when all went well.

    An older ``path`` stands aside until the new one has its name; after an exception it is
    untouched. Who calls this has made sure that it may go. What killed writers have left goes, too.

    Yields
    ------
    pathlib.Path
        Beside ``path``, ending in ``.tmp``.
    """
    path = Path(path)
    temporary = path.with_name(f'.{path.name}.{secrets.token_hex(4)}.tmp')
    aside = temporary.with_suffix('.old.tmp')
    try:
        with explained_output(path):
            temporary.mkdir(parents=True)
            yield temporary
            if path.exists():
                os.replace(path, aside)
            os.replace(temporary, path)
            sync(path.parent)
        for left in left_behind(path):
            shutil.rmtree(left, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def left_behind(path):
    """The temporary files of `replaced` that killed writers of ``path`` have left."""
    path = Path(path)
    return path.parent.glob(f'.{glob.escape(path.name)}.*.tmp')


def write_bytes(path, *pieces):
    """Write a small file atomically, from at most some hundred pieces one behind the other."""
    with _in_place_of(path) as temporary, open(temporary, 'xb', buffering=0) as file:
        size = sum(memoryview(piece).nbytes for piece in pieces)
        written = os.writev(file.fileno(), pieces)
        if written < size:
            left = memoryview(b''.join(pieces))[written:]
            while left:
                left = left[file.write(left):]
        os.fsync(file.fileno())
