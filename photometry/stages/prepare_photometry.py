"""The stage that makes cubes of calibrated frames."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from photometry.core import ranks
from photometry.core.errors import DrainedError, ExitCode, InputMissingError, TessphotError
from photometry.stages import target_files
from photometry.stages import targets as targets_stage
from photometry.stages.prepare import selection, target_quality
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


def prepare_photometry(folder, settings, *, sector=None, camera=None, ccd=None, cadence=None, targets=None,
                       workers=1, overwrite=False, rank=ranks.ALONE) -> Report:
    """Make a cube of the FFIs of every CCD and of every TESSCut file below a directory.

    Quality flags that target pixel files of the same CCD tell are carried over to its frames.
    The cubes lie in the directory itself. One that cannot be made does not stop
    the others.

    Parameters
    ----------
    folder : path-like
    settings : photometry.settings.Settings
    sector, camera, ccd, cadence : sequences of int, optional
        Only these.
    targets : photometry.files.targets.Targets, optional
        Only CCDs whose catalogue holds one of them.
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
    jobs = _share(_with_targets(selection.find_jobs(folder, sector, camera, ccd), folder, targets), rank)
    report, passed_over = Report(), []
    pixel_files = target_files.by_ccd(folder, sector, camera, ccd)
    with Drain() as drain:
        for job in jobs:
            try:
                made = _prepare(job, options, cadence, drain, report.cubes, pixel_files.get(job.key, ()))
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


def _with_targets(jobs, folder, targets):
    """The jobs of the CCDs whose catalogues hold targets."""
    if targets is None:
        return jobs
    holding = targets_stage.in_catalogs(folder, targets)
    chosen = [job for job in jobs if job.key in holding]
    if not chosen:
        raise InputMissingError(f'No catalogue of a CCD that is to be prepared holds a target of '
                                f'{targets.path}; check the list, or make the catalogues with '
                                'run_make_catalog.py --targets.')
    return chosen


def _share(jobs, rank):
    """The jobs of the CCDs of a rank; those of one CCD stay together, for they may overlap."""
    mine = rank.share(sorted({job.key for job in jobs}))
    if not mine:
        logger.info('There are fewer CCDs than processes: nothing is left for number %d.', rank.number + 1)
    return [job for job in jobs if job.key in mine]


def _prepare(job, options, cadence, drain, made, pixel_files):
    product = options.settings.prepare.product
    if job.is_cutout:
        source = selection.select_tesscut(options.folder, job.files[0], cadence, product)
    else:
        source = selection.select_ffis(options.folder, job, cadence, options.workers, product)
    path = cube_path(options.folder, source, job.key)
    if path in made:
        logger.info('%s is passed over: its pixels are those of %s.', job.label, path)
        return None
    source = target_quality.flagged(source, pixel_files, options.folder)
    return make_cube(job, source, options, drain)
