"""Throughput of the stage prepare: full frames in a process of its own, from which the rows follow.

    python benchmarks/throughput_prepare.py FOLDER

prepares the frames of a folder in one process and prints its numbers as JSON; `rows` makes the
frames and calls it for two numbers of them: what grows with the frames and what comes once follow from the
straight line through both. Learning the PRF is clocked by itself: it works on the mean image, once a CCD, but
takes longer the less noise that has, up to some tens of frames.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import floors
from throughput_rows import Row

FRAMES, QUICK = (8, 40), (2, 3)
STARS = 60_000
SECTOR = 1300
"""Frames of a sector, for which the goal of the CPU a frame holds."""

FFI = 2078 * 2136 * 4 * 2
"""Bytes of the two images of a full frame."""


def rows(quick=False, folder=None):
    """Rows of the stage, by frames made in a temporary directory."""
    import prepare
    few, many = QUICK if quick else FRAMES
    with tempfile.TemporaryDirectory(prefix='tessphot-', dir=folder) as place:
        made = Path(place, 'many')
        made.mkdir()
        prepare.make_sector(made, argparse.Namespace(seed=1, frames=many, density='typical',
                                                     stars=600 if quick else STARS))
        part = part_of(made, Path(place, 'few'), few)
        first, second = (_prepared(path) for path in (part, made))
    return _rows(few, many, first, second)


def part_of(folder, part, frames):
    """A folder with the catalogue and the first frames of another one."""
    part.mkdir()
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    images = [path for path in paths if '.fits' in path.name]
    for path in (*images[:frames], *(path for path in paths if path not in images)):
        os.link(path, part / path.name)
    return part


def _prepared(folder):
    """Numbers of a child that prepares a folder."""
    done = subprocess.run([sys.executable, __file__, folder], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def _rows(few, many, first, second):
    def line(name):
        growing = (second[name] - first[name]) / (many - few)
        return growing, max(second[name] - growing * many, 0.0)
    (cpu, once), (size, once_size) = line('besides'), line('bytes')
    once += second['learned']
    floor, kernel = (min(first[name], second[name]) for name in ('floor', 'kernel'))
    whole = cpu + once / SECTOR
    return [
        Row('prepare, CPU a frame, growing part', cpu, 's', floor=floor, kernel=kernel),
        Row('prepare, CPU once a CCD', once, 's', kernel=kernel),
        Row(f'prepare, CPU a frame at {SECTOR} frames', whole, 's', 0.8, 0.4, floor, 4.0, kernel),
        Row('prepare, peak memory', second['peak_mb'] / 1000, 'GB', 4.0, 2.0),
        Row('cube, bytes a frame, growing part', size / 1e6, 'MB', 38.0, 25.0),
        Row('cube, bytes once a CCD', once_size / 1e6, 'MB'),
    ]


def measure(folder):
    """Numbers of preparing a folder in this process; the floor is clocked after it."""
    import prepare

    from photometry import settings
    from photometry.stages.prepare import psf
    from photometry.stages.prepare_photometry import prepare_photometry
    spent = {}
    prepare.clocked(psf, 'learn', spent)
    kernels = [floors.clocked(floors.kernel)[0] for _ in range(3)]
    reports = []
    cpu, wall = floors.clocked(lambda: reports.append(prepare_photometry(folder, settings.load())))
    peak = record.peak_of_memory()
    if reports[0].failures:
        raise SystemExit(str(reports[0].failures[0]))
    path, = reports[0].cubes
    frames = sorted(folder.glob('*ffic.fits*'))
    size = path.stat().st_size
    floor = floors.frame_floor(frames[0], min(FFI, frames[0].stat().st_size), size / len(frames), folder)
    again = floors.alternated(floor, rounds=5)
    path.unlink()
    learned = spent.get('learn', 0.0)
    return {'besides': cpu - learned, 'learned': learned, 'wall': wall, 'peak_mb': peak, 'bytes': size,
            'floor': again['cpu'], 'kernel': min(*kernels, again['kernel'])}


if __name__ == '__main__':
    shown = sys.stdout
    sys.stdout = sys.stderr
    json.dump(measure(Path(sys.argv[1])), shown, default=float)
