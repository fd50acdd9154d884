"""Files appear whole under their final name or not at all."""

import contextlib
import errno
import glob
import os
import secrets
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


def fsync_directory(path):
    """Make the names in a directory durable."""
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
    path = Path(path)
    temporary = path.with_name(_temporary_name(path.name))
    try:
        with explained_output(path):
            yield temporary
            handle = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            os.replace(temporary, path)
            fsync_directory(path.parent)
    finally:
        # on a read-only disk even this fails, and the first error says more
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _temporary_name(name):
    return f'.{name}.{secrets.token_hex(4)}.tmp'


def left_behind(path):
    """The temporary files of `replaced` that killed writers of ``path`` have left."""
    path = Path(path)
    return path.parent.glob(f'.{glob.escape(path.name)}.*.tmp')


def write_bytes(path, content: bytes):
    """Write a small file atomically, as `replaced` does but in a third of its time."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, _temporary_name(name))
    try:
        with explained_output(path):
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                left = memoryview(content)
                while left:
                    left = left[os.write(handle, left):]
                os.fsync(handle)
            finally:
                os.close(handle)
            os.replace(temporary, path)
            temporary = None
            fsync_directory(folder or '.')
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
