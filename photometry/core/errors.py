"""The failures that tessphot expects, each with its exit code or its reason."""

import enum


class ExitCode(enum.IntEnum):
    """What a program answers to the shell."""

    DONE = 0
    INTERNAL = 1
    USAGE = 2
    FAILED_TASKS = 3
    INPUT_MISSING = 4
    RESUMABLE = 75
    INTERRUPTED = 130


class Reason(enum.StrEnum):
    """Why a star has no light curve; the word stands in ``diagnostics.reason``."""

    NO_FLUX = 'no_flux'
    """No pixel that can be used holds enough of the star."""
    FLUX_ON_EDGE = 'flux_on_edge'
    """Light touches the edge of the pixels there are."""
    OFF_SILICON = 'off_silicon'
    """Outside the pixels of its source."""
    NOT_IN_CATALOG = 'not_in_catalog'
    """No row in the catalogue of its CCD."""
    NO_GOOD_CADENCES = 'no_good_cadences'
    """Every cadence is flagged or empty."""
    INPUT_BAD = 'input_bad'
    """A file or a row cannot be used."""
    TIMEOUT = 'timeout'
    """It took longer than limits.timeout; tried again."""
    MEMORY = 'memory'
    """It took more than limits.memory; tried again."""
    CRASH = 'crash'
    """Its worker died; tried again."""
    IO = 'io'
    """A file could not be read or written; tried again."""
    BUG = 'bug'
    """Anything unforeseen; please report it."""


RETRIED = frozenset({Reason.TIMEOUT, Reason.MEMORY, Reason.CRASH, Reason.IO})
"""Reasons that may pass by themselves: such a task is tried three times."""


class TessphotError(Exception):
    """A failure with a sentence for the user; programs end with ``exit_code``."""

    exit_code = ExitCode.INTERNAL


class UsageError(TessphotError):
    """The command line or the settings ask for something impossible."""

    exit_code = ExitCode.USAGE


class IncompatibleError(UsageError):
    """An existing file was made with other settings, inputs or a newer schema."""


class InputMissingError(TessphotError):
    """A file or row that the work needs is not there."""

    exit_code = ExitCode.INPUT_MISSING


class InputBadError(TessphotError):
    """A file is there but cannot be used: truncated, corrupt or inconsistent."""

    exit_code = ExitCode.INPUT_MISSING


class ArchiveError(TessphotError):
    """An archive in the network does not answer, or with something else than what was asked for."""

    exit_code = ExitCode.INPUT_MISSING


class ArchiveDownError(ArchiveError):
    """An archive fails in a way that may pass, and has done so as often as it was to be asked."""


class OutputError(TessphotError):
    """An output cannot be written: full disk, read-only or missing directory."""

    exit_code = ExitCode.INPUT_MISSING


class DrainedError(TessphotError):
    """The work was asked to stop; the same command continues it."""

    exit_code = ExitCode.RESUMABLE


class PhotometryError(TessphotError):
    """A star cannot be measured, for the reason in ``reason``."""

    reason = Reason.BUG


class NoFluxError(PhotometryError):
    """No pixel holds enough of the star's light."""

    reason = Reason.NO_FLUX


class FluxOnEdgeError(PhotometryError):
    """The star's light touches the edge of a stamp that cannot grow further."""

    reason = Reason.FLUX_ON_EDGE


class OffSiliconError(PhotometryError):
    """The star lies outside the pixels of its source."""

    reason = Reason.OFF_SILICON


class NotInCatalogError(PhotometryError, InputMissingError):
    """The star has no row in the catalogue of its CCD."""

    reason = Reason.NOT_IN_CATALOG


class NoGoodCadencesError(PhotometryError):
    """Every cadence of the star is flagged or lacks data."""

    reason = Reason.NO_GOOD_CADENCES
