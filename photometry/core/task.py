"""A task of the queue: which star is measured where, plus what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from photometry.core.status import STATUS


@dataclass(frozen=True)
class Task:
    """One star in one source of pixels."""

    starid: int
    sector: int
    camera: int
    ccd: int
    cadence: int
    datasource: str = 'ffi'
    """Source of pixels: ``ffi``, ``tpf``, or ``tpf:<TIC>`` for the target pixel file of another star."""
    priority: int | None = None
    """Row of the todo list; None for a star measured without a queue."""
    tmag: float | None = None
    method: str | None = None
    """Name of the photometric method; None lets the settings choose."""
    cube: str | None = None
    """Path of the cube or target pixel file, relative to the input directory; None finds it."""
    tile: int | None = None
    attempt: int = 0
    """How often the task was started before."""
    skipped_by: int | None = None
    """Brighter star whose aperture delivers this one, when asked for all the same."""


@dataclass(frozen=True)
class Result:
    """What became of a task. Fields are those of the table ``diagnostics``."""

    task: Task
    status: STATUS
    reason: str | None = None
    method_used: str | None = None
    lightcurve: str | None = None
    """Path relative to the output directory."""
    elaptime: float = 0.0
    """Seconds of wall time."""
    worker_wait_time: float = 0.0
    details: dict = field(default_factory=dict)
    """Further columns of ``diagnostics`` by name: floats, integers or None."""
    errors: tuple[str, ...] = ()
    """Sentences for people."""
    skip_targets: tuple[int, ...] = ()
    """Stars that the method found to be delivered by this one."""
