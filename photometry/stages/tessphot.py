"""One star from task to result: the boundary at which failures become statuses."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

from photometry.core import plugins, starids
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
from photometry.methods import choice

logger = logging.getLogger(__name__)

DEFAULT_METHOD = ''
"""Measure with those methods that may be best, keep the best light curve (`methods.choice`)."""

DIAGNOSTICS = ('mean_flux', 'variance', 'variability', 'rms_hour', 'ptp', 'pos_row', 'pos_column',
               'contamination', 'mask_size', 'edge_flux', 'stamp_width', 'stamp_height', 'stamp_resizes',
               'methods_tried', 'choice_reason', 'chi2', 'psf_cont', 'merged_with',
               'star_flags')
"""Columns of the table ``diagnostics`` that a photometry fills."""

_OF_A_METHOD = frozenset((Reason.NO_FLUX, Reason.FLUX_ON_EDGE, Reason.NO_GOOD_CADENCES, Reason.BUG))
"""Reasons for which another method may still measure a star; others end the task."""


@dataclass(frozen=True)
class _Outcome:
    method: str
    status: STATUS = STATUS.ERROR
    reason: str | None = None
    details: dict = field(default_factory=dict)
    lightcurve: str | None = None
    errors: tuple = ()
    skip_targets: tuple = ()


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
    done, error = _caught(lambda: _measure(task, context, method))
    if error is not None:
        done = _failed(task, method, error)
    return Result(task, done.status, done.reason, done.method, done.lightcurve, time.monotonic() - started,
                  details=done.details, errors=done.errors, skip_targets=done.skip_targets)


def tessphot(method=None, *args, **kwargs):
    """Measure one star and save its light curve.

    Parameters
    ----------
    method : str, optional
        Registered method; by default the best of several (`photometry.methods.choice`).
    *args, **kwargs
        As for `photometry.BasePhotometry`.

    Returns
    -------
    photometry.BasePhotometry
        Of the method that was kept, with ``status``, ``lightcurve``, ``details``; files are closed.
    """
    kind = plugins.load(plugins.METHODS, method or DEFAULT_METHOD or choice.FIRST)
    with kind(*args, **kwargs) as photometry:
        if method or DEFAULT_METHOD:
            photometry.photometry()
        else:
            made = choice.measure(photometry, _attempt)
            if made.kept is None:
                raise made.error
            photometry = made.kept
        _save(photometry)
        return photometry


def _measure(task, context, method):
    with context.method(method or choice.FIRST).from_task(task, context) as photometry:
        if method:
            photometry.photometry()
            return _saved(photometry)
        made = choice.measure(photometry, _attempt)
        if made.kept is None:
            return _failed(task, method, made.error, {'methods_tried': made.tried})
        return _saved(made.kept)


def _caught(call):
    """Value and exception of a call, one of them None."""
    try:
        return call(), None
    except Exception as error:  # the one place where the unexpected becomes a status
        return None, error


def _attempt(call):
    """The same, but what another method would suffer as well, or what may pass by itself, is raised."""
    value, error = _caught(call)
    if error is not None and reason_of(error) not in _OF_A_METHOD:
        raise error
    return value, error


def _failed(task, method, error, details=None):
    """What a failure leaves in the queue."""
    reason, sentence, star = reason_of(error), _sentence(error), starids.name(task.starid)
    seen = reason is Reason.BUG and logger.isEnabledFor(logging.DEBUG)
    logger.info('%s%s', '' if sentence.startswith(star) else f'{star}: ', sentence,
                exc_info=error if seen else None)
    return _Outcome(method, reason=str(reason), details=details or {}, errors=(sentence,))


def _saved(photometry):
    """The light curve in its file and what the queue keeps of it."""
    path = _save(photometry)
    details = {name: _plain(photometry.details.get(name)) for name in DIAGNOSTICS}
    details['methods_tried'] = details['methods_tried'] or photometry.method
    return _Outcome(photometry.method, photometry.status, None, details,
                    _relative(Path(path), photometry.context.options), tuple(photometry.errors),
                    tuple(sorted(photometry.skip_targets)))


def _relative(path, options):
    """Path of a light curve as ``diagnostics`` holds it: relative to the output directory.

    The established layout is listed relative to the input directory where it lies below that.
    """
    if options.settings.lightcurve.layout == 'tasoc' and path.is_relative_to(options.input_folder):
        return path.relative_to(options.input_folder).as_posix()
    return path.relative_to(options.output_folder).as_posix()


def _save(photometry):
    """Write the light curve, with a picture where plots are wanted; its path.

    A picture that cannot be drawn costs no star its light curve.
    """
    path = photometry.save_lightcurve()
    if photometry.plot:
        from photometry.stages import pictures
        _, error = _caught(lambda: pictures.draw_star(photometry, path))
        if error is not None:
            logger.warning('%s has no picture: %s', starids.name(photometry.starid), _sentence(error))
    return path


def _plain(value):
    """A value as the database takes it: None for what is no number, a list as words."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, list | tuple):
        return ' '.join(map(str, value)) or None
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
