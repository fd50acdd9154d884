"""Floors: the least work that any program has to do for a frame or a star, and a pinned kernel.

A time depends on the machine and on who else is at work there; its ratio to a floor that was measured
in the same minute, by the same clock, does much less. What stands here is therefore plain and fixed:
nothing of the photometry is used, and a change makes all earlier ratios worthless.
"""

import os
import time

import numpy as np

KERNEL = {'calls': 20_000, 'side': 600, 'bytes': 40_000_000, 'fills': 2}
"""What the kernel does: small numpy calls, one product of square float32 matrices, new arrays."""


def kernel():
    """The pinned kernel: the mix of work of which photometry consists, some 50 ms on a machine of 2024."""
    few, square = np.ones(10), np.ones((KERNEL['side'], KERNEL['side']), 'f4')
    for _ in range(KERNEL['calls']):
        few + few
    square @ square
    for _ in range(KERNEL['fills']):
        np.full(KERNEL['bytes'] // 4, 1, 'f4')


def clocked(work):
    """CPU and wall-clock seconds of a call, (2,)."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return np.array([time.process_time() - cpu, time.perf_counter() - wall])


def alternated(work, floor=None, rounds=3):
    """Clock a work, its floor and the kernel in turn, so that all meet the same machine.

    Parameters
    ----------
    work, floor : callable
    rounds : int

    Returns
    -------
    dict
        Least seconds of CPU (``cpu``, ``floor``, ``kernel``) and of wall clock (``wall``, ``floor_wall``).
    """
    found = {'work': [], 'floor': [], 'kernel': []}
    for _ in range(rounds):
        found['kernel'].append(clocked(kernel))
        found['work'].append(clocked(work))
        if floor is not None:
            found['floor'].append(clocked(floor))
    least = {name: np.min(times, axis=0).tolist() for name, times in found.items() if times}
    made = {'cpu': least['work'][0], 'wall': least['work'][1], 'kernel': least['kernel'][0]}
    if floor is not None:
        made |= {'floor': least['floor'][0], 'floor_wall': least['floor'][1]}
    return made


def write_synced(path, content):
    """Write a prepared buffer to a new file and have it on the disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view):]
        os.fsync(handle)
    finally:
        os.close(handle)


def frame_floor(frame, read, written, folder):
    """What a frame costs at least: its two images from the disk's cache, its part of the cube to the disk.

    Parameters
    ----------
    frame : path-like
        A file of at least so many bytes as are read.
    read, written : int
        Bytes.
    folder : pathlib.Path
        For the file that is written.

    Returns
    -------
    callable
    """
    content, path = np.ones(int(written), 'u1'), folder / 'floor'

    def work():
        np.fromfile(frame, '>f4', count=int(read) // 4)
        write_synced(path, content)
        path.unlink()
    return work


def stars_floor(cube, shares, written, folder):
    """What stars cost at least: their shares of the pixels from the disk's cache, their files to the disk.

    Parameters
    ----------
    cube : path-like
        File that is read from.
    shares : sequence of int
        Bytes of each star.
    written : int
        Bytes of the file of a star.
    folder : pathlib.Path
        For the files that are written.

    Returns
    -------
    callable
    """
    size = os.path.getsize(cube)
    pixels, content, path = bytearray(max(shares)), bytes(written), folder / 'floor'

    def work():
        handle, offset = os.open(cube, os.O_RDONLY), 0
        try:
            for share in shares:
                offset = offset if offset + share <= size else 0
                got = os.preadv(handle, [memoryview(pixels)[:share]], offset)
                offset += got
                write_synced(path, content)
                path.unlink()
        finally:
            os.close(handle)
    return work
