"""Say what a cube will cost in disk, memory and time, before any work; refuse what cannot fit."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass

from photometry.core.errors import OutputError, UsageError

logger = logging.getLogger(__name__)

PIXEL_BYTES = 9
"""Of a pixel in a cube: flux, uncertainty, flags."""

FRAME_BYTES = 120
"""Of a pixel of the frame that a process works on, file and intermediate arrays included."""

CUTOUT_BYTES = 28
"""Of a pixel of a TESSCut file, which is held as a whole, for every frame."""

PROCESS_BYTES = 250 << 20
"""Of a process before any frame."""

SECONDS = 0.11e-6
"""CPU time of a pixel of a frame, both passes; measured by benchmarks/prepare.py."""

FULL_BLOCK = 2048 * 2048 * 32
"""Pixels of a block of 32 full frames, about the most that a block of a cutout holds."""


@dataclass(frozen=True)
class Cost:
    """Resources of one cube."""

    disk: int
    memory: int
    cpu: float
    """Seconds on one core."""

    def sentence(self, label, workers) -> str:
        """For the log."""
        return (f'{label}: {self.disk / 1e9:.2f} GB of disk, {self.memory / 1e9:.1f} GB of memory, about '
                f'{_duration(self.cpu / workers)} with {workers} worker{"s" if workers > 1 else ""}.')


def _size(number):
    return f'{number / 1e9:.2f} GB' if number > 1e8 else f'{number / 1e6:.1f} MB'


def _duration(seconds):
    return f'{seconds / 3600:.1f} h' if seconds > 5400 else f'{max(seconds / 60, 0.1):.1f} min'


def cost(shape, times, chunks, block, workers, is_cutout=False) -> Cost:
    """Resources for a cube.

    Parameters
    ----------
    shape : (rows, columns)
    times : int
    chunks : (rows, columns, times)
        Of the cube; its space is counted in whole chunks.
    block : int
        Cadences of a block.
    workers : int
    is_cutout : bool
        Whether the frames come from a TESSCut file.
    """
    padded = 1
    for length, chunk in zip((*shape, times), chunks, strict=True):
        padded *= -(-length // chunk) * chunk
    pixels = shape[0] * shape[1]
    disk = padded * PIXEL_BYTES + times * 12_000 + pixels * 4 + (2 << 20)
    frames = min(block, times) * PIXEL_BYTES + FRAME_BYTES * workers
    in_flight = (2 * workers + 1) * PIXEL_BYTES if workers > 1 else 0
    processes = workers + (workers > 1)
    held = CUTOUT_BYTES * times * processes if is_cutout else 0
    memory = pixels * (frames + in_flight + held + 30) + PROCESS_BYTES * processes
    return Cost(disk, memory, 3 + times * (0.003 + pixels * SECONDS))


def require(needed: Cost, folder, reserved=0):
    """Refuse what cannot fit.

    Parameters
    ----------
    needed : Cost
    folder : path-like
        Where the cube will lie.
    reserved : int
        Bytes on disk that an unfinished cube holds already.

    Raises
    ------
    OutputError
        When the disk is too small or cannot be written.
    UsageError
        When the memory is too small.
    """
    if not os.access(folder, os.W_OK):
        raise OutputError(f'Cannot write in {folder}: permission is denied or the file system is read-only; '
                          'choose another directory or change its permissions.')
    free = shutil.disk_usage(folder).free + reserved
    if needed.disk > free:
        raise OutputError(f'Cannot write in {folder}: {_size(free)} are free, the cube needs '
                          f'{_size(needed.disk)}; free some space.')
    available = available_memory()
    if needed.memory > available:
        raise UsageError(f'The work needs {needed.memory / 1e9:.1f} GB of memory, '
                         f'{available / 1e9:.1f} GB are free; use fewer --workers or '
                         'a smaller prepare.block in the settings.')


def available_memory() -> int:
    """Bytes of memory that processes can get."""
    try:
        with open('/proc/meminfo', encoding='ascii') as file:
            for line in file:
                if line.startswith('MemAvailable:'):
                    return int(line.split()[1]) << 10
    except OSError:
        pass
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
