"""Who measures the stars of a run: this process, its children, or the ranks of an MPI job."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from photometry import cli
from photometry.core import starids
from photometry.core.status import STATUS

if TYPE_CHECKING:
    from photometry.methods.context import JobOptions

PRELOAD = ('photometry.stages.tessphot', 'photometry.methods.context', 'photometry.methods.aperture',
           'photometry.methods.linpsf', 'photometry.methods.psf', 'photometry.methods.halo',
           'photometry.pixels.ffi', 'photometry.algorithms.backgrounds', 'h5py', 'scipy.linalg', 'scipy.fft',
           'scipy.ndimage', 'scipy.spatial', 'scipy.sparse.csgraph', 'astropy.wcs')
"""Modules that the children share from birth: those that the first star of any CCD needs, with the
libraries, which take longer to import than the star to measure."""


@dataclass(frozen=True)
class OpenWorker:
    """What a worker is made of; travels to child processes and to other ranks."""

    options: JobOptions
    log: tuple | None = None

    @contextlib.contextmanager
    def __call__(self):
        """Yield ``work(task) -> Result``."""
        from photometry.methods.context import WorkerContext
        from photometry.stages import tessphot
        if self.log is not None:
            cli.configure_logging(*self.log)
        with WorkerContext(self.options) as context:
            yield lambda task: warned(tessphot.process(task, context))


def warned(result):
    """A result with a WARNING when a brighter star delivers the one that was asked for."""
    brighter = result.task.skipped_by
    if brighter is None or result.status not in (STATUS.OK, STATUS.WARNING):
        return result
    if any(str(brighter) in sentence for sentence in result.errors):
        return replace(result, status=STATUS.WARNING)
    sentence = (f'The brighter {starids.name(brighter)} shines on the same pixels; its aperture delivers '
                'this star.')
    return replace(result, status=STATUS.WARNING, errors=(*result.errors, sentence))


def workers(job, open_worker=None, world=None, stop=None):
    """The workers for a job, not yet opened.

    Parameters
    ----------
    job : photometry.stages.run_tessphot.Job
    open_worker : callable, optional
        Another work than photometry.
    world : photometry.todo.workers.mpi.World, optional
        The ranks of an MPI job; each supervises as many children as the job has workers.
    stop : callable, optional
        Whether the run is to end; only a star in this process must look for itself.
    """
    limits = job.options.settings.limits
    if world is None and not job.workers:
        from photometry.todo.workers.inline import InlineWorkers
        return InlineWorkers(open_worker or OpenWorker(job.options), timeout=limits.timeout,
                             memory=limits.memory, stop=stop)
    options = {'timeout': limits.timeout, 'memory': limits.memory,
               'preload': () if open_worker else PRELOAD}
    opened = open_worker or OpenWorker(job.options, job.log)
    if world is not None:
        from photometry.todo.workers.mpi import MpiWorkers
        return MpiWorkers(world, opened, max(1, job.workers), **options)
    from photometry.todo.workers.local import LocalWorkers
    return LocalWorkers(opened, job.workers, **options)
