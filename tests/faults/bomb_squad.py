"""Read files that are bombs, each in a process of its own: python bomb_squad.py KIND PATH KIND PATH ...

A line of JSON for each: what was said (null for nothing), seconds of processor time, MB more.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

import astropy.io.fits  # noqa: F401 - what readers need is there before the clock runs
import h5py  # noqa: F401
import pyarrow.csv  # noqa: F401

from photometry import settings
from photometry.core.errors import TessphotError
from photometry.files import catalog, cube, ffi, frames, lightcurve, star_table, tesscut

READERS = {'settings': settings.load, 'ffi header': ffi.read_ffi_header, 'ffi': ffi.read_ffi,
           'frame': lambda path: frames.read_pixels(path, frames.read_header(path)),
           'tesscut': tesscut.read_tesscut, 'cube': cube.CubeFile, 'catalogue': catalog.read_catalog,
           'stars': star_table.read_star_table, 'light curve': lightcurve.read_lightcurve}


def used():
    """Seconds of processor time, and the most memory so far (MB)."""
    return time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def defuse(kind, path):
    """Read a file, and tell."""
    before, said = used(), None
    try:
        READERS[kind](Path(path))
    except TessphotError as error:
        said = str(error)
    print_line([said, *(now - then for now, then in zip(used(), before, strict=True))])


def print_line(found):
    sys.stdout.write(json.dumps(found) + '\n')
    sys.stdout.flush()


def main(words):
    for kind, path in zip(words[::2], words[1::2], strict=True):
        child = os.fork()
        if not child:
            try:
                defuse(kind, path)
            finally:
                os._exit(0)
        code = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(code):
            print_line([None, 0, 0])


if __name__ == '__main__':
    main(sys.argv[1:])
