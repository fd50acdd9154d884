"""The demonstration: all programs on real cutouts, a simulated field and full frames."""

from __future__ import annotations

import logging
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import photometry
from photometry.algorithms import metrics
from photometry.core import quality, units
from photometry.core.errors import InputMissingError, TessphotError, UsageError
from photometry.core.status import STATUS
from photometry.files import atomic, lightcurve
from photometry.report import demo_picture
from photometry.stages import own_floor

logger = logging.getLogger(__name__)

ROOT = Path(photometry.__file__).parents[1]
REAL = ROOT / 'tests' / 'input' / 'tesscut'
REAL_SECTORS = (1, 4, 5, 6, 7, 9)
LISTED = 8
"""Stars of a simulated field that the table shows, spread over its magnitudes."""

PRODUCTS = frozenset(('real', 'field', 'ffi', 'demo.png'))
"""All that a demonstration leaves in its directory."""


@dataclass(frozen=True)
class Row:
    """One star of the table."""

    starid: int
    tmag: float
    status: str
    method: str
    zero_point_raw: float
    zero_point: float
    rms_hour: float
    floor: float
    path: Path
    curve: object

    @property
    def ratio(self) -> float:
        """Measured scatter over the floor."""
        return self.rms_hour / self.floor


def demo(output, seed=1):
    """Run the pipeline on the eight real cutouts and on two simulations.

    Parameters
    ----------
    output : path-like
        Directory that is made anew; it must be empty or that of an earlier demonstration.
    seed : int
        Of the simulations.

    Returns
    -------
    str
        The table, the files made and what to try next, for a terminal.

    Raises
    ------
    UsageError
        When the directory holds anything else, which would be lost.
    InputMissingError
        Without a clone of the repository.
    """
    started = time.monotonic()
    output = Path(output)
    if not REAL.is_dir():
        raise InputMissingError(f'The demo needs the directory {REAL} of a clone of the repository.')
    _clear(output)
    real = _real(output / 'real')
    field = _field(output / 'field', seed)
    frames = _frames(output / 'ffi', seed + 1)
    picture = output / 'demo.png'
    demo_picture.draw(picture, real, field)
    sections = [('Real pixels: eight cutouts of calibrated FFIs, 13 x 13 px, 30 minutes', real),
                (f'Simulated field: 256 x 256 px, 300 cadences ({len(field)} stars)', _spread(field)),
                (f'Simulated FFIs: 3 full frames ({len(frames)} stars; three points make no scatter)',
                 _spread(frames))]
    return '\n'.join([*(_table(title, rows, output) for title, rows in sections),
                      _farewell(output, picture, real, time.monotonic() - started)])


def _clear(output):
    """Make a directory anew, but only one that holds nothing but a demonstration."""
    if output.is_dir():
        foreign = sorted({entry.name for entry in output.iterdir()} - PRODUCTS)
        if foreign:
            raise UsageError(f'{output} holds {foreign[0]}, which is none of the files of a demonstration; '
                             'name another directory.')
        with atomic.explained_output(output):
            shutil.rmtree(output)
    atomic.make_directory(output)


def _real(directory):
    """The four programs on the real cutouts; no neighbours are catalogued there."""
    atomic.make_directory(directory)
    for path in sorted(REAL.glob('*13x13_astrocut.fits.gz')):
        shutil.copy(path, directory)
    for sector in REAL_SECTORS:
        _run('run_make_catalog.py', sector, directory, '--source', 'table', '--catalog', REAL / 'stars.ecsv')
    return _measure(directory, '--faint-limit', 16)


def _field(directory, seed):
    _run('run_simulate.py', directory, '--seed', seed, '--size', 256, '--frames', 300, '--sector', 5,
         '--camera', 2, '--ccd', 3)
    _run('run_make_catalog.py', 5, directory, '--source', 'table', '--catalog', directory / 'stars.ecsv')
    return _measure(directory)


def _frames(directory, seed):
    _run('run_simulate.py', directory, '--seed', seed, '--frames', 3, '--stars', 3000, '--sector', 5,
         '--camera', 1, '--ccd', 1)
    _run('run_make_catalog.py', 5, directory, '--source', 'table', '--catalog', directory / 'stars.ecsv')
    return _measure(directory, '--faint-limit', 10)


def _measure(directory, *limits):
    """Prepare, queue and photometry; gives the rows of the table, brightest first."""
    _run('run_prepare_photometry.py', directory)
    _run('run_make_todo.py', directory, *limits)
    _run('run_tessphot.py', directory, '--all', '--workers', 2, accepted=(0, 3))
    return sorted((_row(path) for path in directory.rglob('*_lc.fits*')),
                  key=lambda row: (row.tmag, row.starid, row.path))


def _run(program, *words, accepted=(0,)):
    """One program as a user would run it, its command line shown."""
    command = [program, *(str(word) for word in words)]
    logger.info('$ python %s', shlex.join(command))
    done = subprocess.run([sys.executable, str(ROOT / program), '--quiet', *command[1:]], check=False)
    if done.returncode not in accepted:
        raise TessphotError(f'{program} ended with exit code {done.returncode}; '
                            'its message stands above.')


def _row(path):
    curve = lightcurve.read_lightcurve(path)
    columns, primary = curve.columns, curve.primary
    good = quality.good(columns['QUALITY'])
    tmag, flux = primary['TESSMAG'], columns['FLUX']
    mean, raw = (own_floor.typical(columns[name][good]) for name in ('FLUX', 'SAP_FLUX'))
    hour = metrics.rms_timescale(columns['TIME'][good], flux[good])
    return Row(primary['TICID'], tmag, primary.get('STATUS', STATUS.OK.name), primary['PHOTMET'],
               _zero_point(tmag, raw), _zero_point(tmag, mean), hour, own_floor.own_floor(curve), path, curve)


def _zero_point(tmag, flux):
    return tmag + units.ZERO_POINT - units.flux_to_magnitude(flux) if flux > 0 else np.nan


def _spread(rows):
    """Some rows, evenly over the magnitudes."""
    chosen = np.linspace(0, len(rows) - 1, min(LISTED, len(rows))).astype(int)
    return [rows[index] for index in chosen]


def _table(title, rows, output):
    lines = [title, f'{"TIC":>11} {"Tmag":>6} {"status":8} {"method":9} {"zp raw":>7} {"zp":>7} '
                    f'{"rms_hour":>9} {"floor":>8} {"ratio":>6}  file']
    for row in rows:
        lines.append(f'{row.starid:>11} {row.tmag:6.2f} {row.status:8} {row.method:9} '
                     f'{row.zero_point_raw:7.3f} {row.zero_point:7.3f} {row.rms_hour:9.1f} '
                     f'{row.floor:8.1f} {row.ratio:6.2f}  {row.path.relative_to(output)}')
    return '\n'.join(lines) + '\n'


def _farewell(output, picture, real, seconds):
    starid, path = real[0].starid, real[0].path
    return '\n'.join([
        'zp: TESS magnitude of 1 e-/s, from the plain sum (raw) and from FLUX; rms_hour and floor in ppm.',
        'method: the best of those that were tried on the star, see docs/methods/choice.md.',
        f'All of this took {seconds:.0f} s. Files are in {output}/, the picture is {picture}.',
        'Next, try a star of your own choice, or look at a light curve:',
        f'  .venv/bin/python run_tessphot.py {output / "real"} --starid {starid} --debug --overwrite',
        f'  .venv/bin/python -c "import lightkurve; print(lightkurve.read(\'{path}\'))"', ''])
