"""The stage that makes cubes of calibrated frames."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from photometry.core import ranks
from photometry.core.errors import DrainedError, ExitCode, TessphotError
from photometry.stages.prepare import selection
from photometry.stages.prepare.drain import Drain
from photometry.stages.prepare.job import Options, cube_path, make_cube

logger = logging.getLogger(__name__)


@dataclass
class Report:
    """What came of it."""

    cubes: list[Path] = field(default_factory=list)
    failures: list[TessphotError] = field(default_factory=list)
    """One for every cube that could not be made."""

    def fail(self, error):
        """Name a failure and keep it."""
        logger.error('%s', error)
        self.failures.append(error)

    @property
    def exit_code(self) -> ExitCode:
        """That of the first failure."""
        return self.failures[0].exit_code if self.failures else ExitCode.DONE


def prepare_photometry(folder, settings, *, sector=None, camera=None, ccd=None, cadence=None, workers=1,
                       overwrite=False, rank=ranks.ALONE) -> Report:
    """Make a cube of the FFIs of every CCD and of every TESSCut file below a directory.

    The cubes lie in the directory itself. One that cannot be made does not stop
    the others.

    Parameters
    ----------
    folder : path-like
    settings : photometry.settings.Settings
    sector, camera, ccd, cadence : sequences of int, optional
        Only these.
    workers : int
        Processes that work on frames.
    overwrite : bool
        Make cubes anew that are there already or were begun.
    rank : photometry.core.ranks.Rank
        Which share of the CCDs this process takes.

    Raises
    ------
    InputMissingError
        When no file passes the filters.
    DrainedError
        When a signal asked to stop; the same call continues.
    """
    folder = Path(folder)
    options = Options(folder, settings, workers, overwrite)
    jobs = _share(selection.find_jobs(folder, sector, camera, ccd), rank)
    report, passed_over = Report(), []
    with Drain() as drain:
        for job in jobs:
            try:
                made = _prepare(job, options, cadence, drain, report.cubes)
            except DrainedError:
                raise
            except selection.OtherFramesError as error:
                logger.info('%s', error)
                passed_over.append(error)
            except TessphotError as error:
                report.fail(error)
            else:
                report.cubes += [made] if made else []
            drain.check()
    if jobs and len(passed_over) == len(jobs):
        report.fail(passed_over[0])
    logger.info('%d of %d cubes are complete.', len(report.cubes), len(report.cubes) + len(report.failures))
    return report


def _share(jobs, rank):
    """The jobs of the CCDs of a rank; those of one CCD stay together, for they may overlap."""
    mine = rank.share(sorted({job.key for job in jobs}))
    if not mine:
        logger.info('There are fewer CCDs than processes: nothing is left for number %d.', rank.number + 1)
    return [job for job in jobs if job.key in mine]


def _prepare(job, options, cadence, drain, made):
    product = options.settings.prepare.product
    if job.is_cutout:
        source = selection.select_tesscut(options.folder, job.files[0], cadence, product)
    else:
        source = selection.select_ffis(options.folder, job, cadence, options.workers, product)
    path = cube_path(options.folder, source, job.key)
    if path in made:
        logger.info('%s is passed over: its pixels are those of %s.', job.label, path)
        return None
    return make_cube(job, source, options, drain)
