"""Frames into a movie: MP4 or GIF by ffmpeg, streamed through a pipe, whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess
import tempfile
from pathlib import Path

from photometry.core.errors import InputMissingError, OutputError, UsageError
from photometry.files import atomic

logger = logging.getLogger(__name__)

_OPTIONS = {
    '.mp4': ('-f', 'mp4', '-c:v', 'libx264', '-preset', 'fast', '-crf', '18', '-pix_fmt', 'yuv420p',
             '-movflags', '+faststart'),
    # a palette for every frame: one for all would keep all frames in memory until the last
    '.gif': ('-f', 'gif', '-vf', 'split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1'),
}
SUFFIXES = tuple(_OPTIONS)


def check_name(path):
    """Refuse the name of a movie whose kind it does not tell.

    Raises
    ------
    UsageError
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise UsageError(f'{path} is no name of a movie; let it end in {" or ".join(SUFFIXES)}.')


def find_ffmpeg() -> str:
    """The ffmpeg that comes with imageio-ffmpeg, else that of the system.

    Raises
    ------
    InputMissingError
        When there is none.
    """
    try:
        import imageio_ffmpeg
        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        found = shutil.which('ffmpeg')
    if found is None:
        raise InputMissingError('Movies need ffmpeg, which is not there; install it with '
                                'pip install "tessphot[movies]".')
    return found


@contextlib.contextmanager
def writer(path, size, fps, threads=1):
    """Give a function that takes the frames of a movie, one after the other.

    The file appears under its name when all frames are in and ffmpeg has ended well.

    Parameters
    ----------
    path : path-like
        Ends in one of `SUFFIXES`.
    size : (int, int)
        Width and height of the frames, even.
    fps : int
        Frames a second.
    threads : int
        Of the encoder.

    Yields
    ------
    callable
        Takes an array (height, width, 3) of uint8.

    Raises
    ------
    InputMissingError
        Without ffmpeg.
    OutputError
        When the movie cannot be written, or ffmpeg ends before its time.
    """
    check_name(path)
    command = [find_ffmpeg(), '-y', '-loglevel', 'error', '-nostdin', '-f', 'rawvideo', '-pix_fmt', 'rgb24',
               '-s', f'{size[0]}x{size[1]}', '-r', str(fps), '-i', 'pipe:0', '-an', '-map_metadata', '-1',
               '-fflags', '+bitexact', '-threads', str(threads), *_OPTIONS[Path(path).suffix.lower()]]
    with atomic.replaced(path) as temporary, tempfile.TemporaryFile() as said:
        temporary.touch(exist_ok=False)  # a directory that takes no files is told before ffmpeg starts
        process = _start([*command, f'file:{temporary}'], said)
        try:
            yield _feed(process, path, said)
            process.stdin.close()
            if process.wait():
                raise _failed(process, path, said)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdin.close()


def _start(command, said):
    try:
        # a session of its own: Ctrl-C ends this program, which ends ffmpeg
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said,
                                bufsize=0, start_new_session=True)
    except OSError as error:
        raise InputMissingError(f'{command[0]} cannot be started ({error.strerror}); install it with '
                                'pip install "tessphot[movies]".') from error


def _feed(process, path, said):
    def take(frame):
        left = memoryview(frame).cast('B')
        try:
            while left:
                left = left[process.stdin.write(left):]
        except BrokenPipeError as error:
            process.wait()
            raise _failed(process, path, said) from error
    return take


def _failed(process, path, said):
    """What ffmpeg said last, in a sentence."""
    said.seek(0)
    words = ' '.join(said.read()[-2000:].decode(errors='replace').split())
    logger.debug('ffmpeg: %s', words)
    if 'No space left' in words:
        return OutputError(f'Cannot write {path}: the disk is full; free some space.')
    if process.returncode < 0:
        return OutputError(f'Cannot write {path}: ffmpeg was ended by signal {-process.returncode}, perhaps '
                           'for want of memory or space; try again, with a smaller --size.')
    return OutputError(f'Cannot write {path}: ffmpeg says "{words[-200:]}".')
