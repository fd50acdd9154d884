"""One star from task to result: the boundary at which failures become statuses."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

from photometry.core import plugins
from photometry.core.errors import (
    InputBadError,
    InputMissingError,
    OutputError,
    PhotometryError,
    Reason,
    UsageError,
)
from photometry.core.status import STATUS
from photometry.core.task import Result

logger = logging.getLogger(__name__)

DEFAULT_METHOD = 'aperture'

DIAGNOSTICS = ('mean_flux', 'variance', 'variability', 'rms_hour', 'ptp', 'pos_row', 'pos_column',
               'contamination', 'mask_size', 'edge_flux', 'stamp_width', 'stamp_height', 'stamp_resizes')
"""Columns of the table ``diagnostics`` that a photometry fills."""


@dataclass(frozen=True)
class _Outcome:
    status: STATUS
    details: dict
    lightcurve: str | None
    errors: tuple
    skip_targets: tuple


def process(task, context) -> Result:
    """Measure one star and write its light curve.

    Never raises but for what stops the process itself (KeyboardInterrupt,
    SystemExit): every failure becomes a `Result` with a reason.

    Parameters
    ----------
    task : photometry.core.task.Task
    context : photometry.methods.context.WorkerContext

    Returns
    -------
    photometry.core.task.Result
    """
    started = time.monotonic()
    method = task.method or context.settings.todo.method or DEFAULT_METHOD
    try:
        done = _measure(task, context, method)
    except Exception as error:  # the one place where the unexpected becomes a status
        reason = reason_of(error)
        sentence = _sentence(error)
        logger.info('%s%s', '' if sentence.startswith('TIC ') else f'TIC {task.starid}: ', sentence,
                    exc_info=reason is Reason.BUG and logger.isEnabledFor(logging.DEBUG))
        return Result(task, STATUS.ERROR, str(reason), method, elaptime=time.monotonic() - started,
                      errors=(sentence,))
    return Result(task, done.status, None, method, done.lightcurve, time.monotonic() - started,
                  details=done.details, errors=done.errors, skip_targets=done.skip_targets)


def tessphot(method=None, *args, **kwargs):
    """Measure one star and save its light curve.

    Parameters
    ----------
    method : str, optional
        Registered method; aperture by default.
    *args, **kwargs
        As for `photometry.BasePhotometry`.

    Returns
    -------
    photometry.BasePhotometry
        With ``status``, ``lightcurve``, ``details``; files are closed.
    """
    kind = plugins.load(plugins.METHODS, method or DEFAULT_METHOD)
    with kind(*args, **kwargs) as photometry:
        photometry.photometry()
        _save(photometry)
        return photometry


def _measure(task, context, method):
    with context.method(method).from_task(task, context) as photometry:
        status = photometry.photometry()
        path = _save(photometry)
        relative = _relative(Path(path), context.options)
        details = {name: _number(photometry.details.get(name)) for name in DIAGNOSTICS}
        return _Outcome(status, details, relative, tuple(photometry.errors),
                        tuple(sorted(photometry.skip_targets)))


def _relative(path, options):
    """Path of a light curve as ``diagnostics`` holds it: relative to the output directory.

    The established layout is listed relative to the input directory where it lies below that.
    """
    if options.settings.lightcurve.layout == 'tasoc' and path.is_relative_to(options.input_folder):
        return path.relative_to(options.input_folder).as_posix()
    return path.relative_to(options.output_folder).as_posix()


def _save(photometry):
    """Write the light curve, with a picture where plots are wanted; its path."""
    path = photometry.save_lightcurve()
    if photometry.plot:
        from photometry.files.lightcurve import read_lightcurve
        from photometry.report import star_picture
        name = Path(path).name.partition('.')[0] + '.png'
        star_picture.draw(Path(photometry.plot_folder) / name, read_lightcurve(path))
    return path


def _number(value):
    """A value as the database takes it: None for what is no number."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value.item() if hasattr(value, 'item') else value


def reason_of(error) -> Reason:
    """The reason that stands in the queue for an exception."""
    if isinstance(error, PhotometryError):
        return error.reason
    if isinstance(error, MemoryError):
        return Reason.MEMORY
    if isinstance(error, (InputMissingError, InputBadError, UsageError)):
        return Reason.INPUT_BAD
    if isinstance(error, (OSError, OutputError)):
        return Reason.IO
    return Reason.BUG


def _sentence(error):
    text = ' '.join(str(error).split())
    if reason_of(error) is Reason.BUG:
        return f'{type(error).__name__}: {text}'
    return text or type(error).__name__
