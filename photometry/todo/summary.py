"""How a run goes: summary.json while it lasts, the same words for --status."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from photometry.core.errors import OutputError
from photometry.core.status import STATUS
from photometry.files import atomic

logger = logging.getLogger(__name__)

_MAX_BYTES = 1 << 16


def summary_path(todo) -> Path:
    """The file beside a todo file that tells how its run goes."""
    return Path(todo).with_name('summary.json')


def shared_path(folder, run) -> Path:
    """The file in the output directory that tells how one of the runs goes that share a list."""
    return Path(folder) / f'summary-{Path(run).name}.json'


def clear_left_behind(path):
    """Remove what a run left half-written when it was killed while it wrote its summary."""
    with contextlib.suppress(OSError):
        for half in atomic.left_behind(path):
            half.unlink(missing_ok=True)


def status_name(status) -> str:
    """A status as a word; None waits."""
    try:
        return 'waiting' if status is None else STATUS(status).name.lower()
    except ValueError:
        return f'status {str(status)[:40]}'


@dataclass
class Progress:
    """Counts of a run, written to summary.json once a second."""

    path: Path | None
    """None: nowhere."""
    run: str
    counts: dict = field(default_factory=dict)
    """Selected rows by status."""
    finished: int = 0
    """Tasks that this run has ended."""
    last_error: str | None = None
    interval: float = 1.0
    started: float = field(default_factory=time.monotonic)
    begun: str = field(default_factory=lambda: _now())
    _next: float = 0.0

    def tick(self):
        """Write the file if a second has passed."""
        if time.monotonic() >= self._next:
            self.write()

    def write(self, state='running'):
        """Replace the file; a disk that refuses it does not stop the run."""
        self._next = time.monotonic() + self.interval
        if self.path is None:
            return
        try:
            atomic.write_bytes(self.path, json.dumps(self.facts(state), indent=1).encode() + b'\n')
        except OutputError as error:
            logger.debug('%s', error)

    def facts(self, state='running') -> dict:
        """What the file holds."""
        elapsed = time.monotonic() - self.started
        rate = self.finished / elapsed if elapsed > 0 else 0.0
        left = self.counts.get(None, 0) + self.counts.get(STATUS.STARTED, 0)
        return {'run': self.run, 'state': state, 'begun': self.begun, 'updated': _now(),
                'counts': named(self.counts), 'finished': self.finished, 'rate': round(rate, 3),
                'seconds_left': round(left / rate, 1) if rate else None, 'last_error': self.last_error}


def named(counts) -> dict:
    """Counts with the statuses as words, in the order of the integers."""
    known = {None: -1} | {status: int(status) for status in STATUS}
    ordered = sorted(counts, key=lambda status: known.get(status, len(known)))
    return {status_name(status): counts[status] for status in ordered if counts[status]}


def read(todo) -> dict | None:
    """The summary beside a todo file, None where there is none."""
    try:
        facts = json.loads(summary_path(todo).read_bytes()[:_MAX_BYTES])
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')
