"""The loop that feeds workers with batches of stars and keeps what they say."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from photometry.core import starids
from photometry.core.errors import Reason
from photometry.core.status import STATUS
from photometry.core.task import Result, Task

logger = logging.getLogger(__name__)

_IO_FAILURES = 10
_LEAST = 8
"""Stars a batch, below which the work that a tile costs twice outweighs what balance gains."""
_NAP = 1.0
"""Seconds between two looks at a list whose last stars others hold."""


@dataclass(frozen=True)
class Started:
    """A worker has begun a star."""

    task: Task


@dataclass(frozen=True)
class Finished:
    """A worker has ended a star."""

    result: Result


@dataclass(frozen=True)
class Died:
    """A worker is gone: ``task`` was running, ``others`` of its batch had not begun, as far as was heard."""

    task: Task | None
    reason: Reason = Reason.CRASH
    message: str = ''
    others: tuple[Task, ...] = ()


@dataclass(frozen=True)
class Returned:
    """A worker hands back stars that it will not begin."""

    tasks: tuple[Task, ...]


Event = Started | Finished | Died | Returned


class Workers(Protocol):
    """What the loop asks of a transport."""

    dies_with_scheduler: bool
    """Whether a star that crashes takes the scheduler with it."""

    @property
    def number(self) -> int:
        """How many stars are measured side by side."""

    @property
    def free(self) -> int:
        """How many batches may be submitted now."""

    @property
    def busy(self) -> bool:
        """Whether any star is running or waiting in a worker."""

    def submit(self, batch: Sequence[Task]) -> None:
        """Give a batch to a worker that is free."""

    def events(self, timeout: float) -> Iterator[Event]:
        """What happens within so many seconds."""

    def recall(self, tasks: Sequence[Task]) -> None:
        """Hand back what has not begun of the batches that hold these stars."""

    def drain(self) -> None:
        """Begin no further star; those that run may end, the rest comes back."""

    def kill(self) -> None:
        """End every worker now."""


@dataclass
class Outcome:
    """How a dispatch ended."""

    stopped: object = None
    """The request that stopped it early, None when nothing was left to do."""
    sentence: str = ''
    handled: list = field(default_factory=list)
    """The last results, at most 100."""


def dispatch(manager, workers, *, stop=None, batch=256, change=None, clear=None, poll=0.2) -> Outcome:
    """Measure everything that waits in a `TaskManager`.

    Parameters
    ----------
    manager : TaskManager
        Inside its context.
    workers : Workers
        Started; the caller closes them.
    stop : callable, optional
        Called between events; a true value drains, and stands in the outcome.
    batch : int
        Most stars in a batch; fewer towards the end, so that all workers end together.
    change : callable, optional
        Makes of a claimed task the one that is measured (another method).
    clear : callable, optional
        Removes the half-written files of some stars, whose worker died or could not write; false while
        that is not possible.
    poll : float
        Seconds between two looks at ``stop``.
    """
    loop = _Loop(manager, workers, change, clear)
    while True:
        loop.heed(stop)
        while not loop.outcome.stopped and workers.free > 0 and loop.feed(batch):
            pass
        if not workers.busy:
            if loop.outcome.stopped or not manager.others_at_work():
                break
            loop.nap(stop, poll)
        for event in workers.events(poll):
            loop.take(event)
            manager.tick()
            loop.recall()
            loop.heed(stop)
        manager.tick()
        loop.recall()
    manager.forgive(list(loop.blameless.values()))  # those that had been claimed again when the disk failed
    loop.tidy()
    manager.leave(list(loop.untidy.values()))
    return loop.outcome


class _Loop:
    """What `dispatch` keeps between two events."""

    def __init__(self, manager, workers, change, clear):
        self.manager, self.workers = manager, workers
        self.change, self.clear = change, clear
        self.outcome = Outcome()
        self.claims = {}
        self.io_failures = []
        self.blameless = {}
        self.untidy = {}

    def heed(self, stop):
        if self.outcome.stopped or stop is None:
            return
        request = stop()
        if request:
            self.drain(request, '')

    def nap(self, stop, poll):
        """Let others work for a moment; what they leave behind comes back with the next claim."""
        until = time.monotonic() + _NAP
        while time.monotonic() < until and not self.outcome.stopped:
            time.sleep(poll)
            self.heed(stop)

    def drain(self, request, sentence):
        self.outcome.stopped, self.outcome.sentence = request, sentence
        self.workers.drain()

    def feed(self, batch):
        waiting = self.manager.progress.counts.get(None, 0)
        share = max(-(-waiting // self.workers.number), _LEAST)
        claimed = self.manager.claim(min(batch, share))
        if not claimed:
            return False
        given = [self.change(task) for task in claimed] if self.change else claimed
        self.claims.update((task.priority, task) for task in claimed)
        self.workers.submit(given)
        return True

    def recall(self):
        """Do not begin what is not ours any more: others measure it, or have done so."""
        lost = self.manager.lost()
        if lost:
            logger.warning('%d stars were taken over by others, for this scheduler gave no sign of life.',
                           len(lost))
            self.workers.recall(lost)

    def take(self, event):
        if isinstance(event, Started):
            claim = self.claims[event.task.priority]
            if self.workers.dies_with_scheduler:
                self.manager.charge(claim)
            else:
                self.manager.begun(claim)
        elif isinstance(event, Finished):
            self.finish(event.result)
        elif isinstance(event, Returned):
            self.manager.give_back([self.claims.pop(task.priority) for task in event.tasks])
        else:
            self.bury(event)

    def finish(self, result):
        claim = self.claims.pop(result.task.priority, result.task)
        self.manager.finish(_of(result, claim))
        self.outcome.handled[:] = [*self.outcome.handled[-99:], result]
        if result.status == STATUS.ABORT:
            return  # it says nothing of the disk
        if result.reason != Reason.IO:
            self.io_failures = []
            self.blameless.pop(claim.priority, None)
            self.tidy()
            return
        self.io_failures.append(claim)
        self.untidy[claim.priority] = claim
        if len(self.io_failures) >= _IO_FAILURES:
            self.give_up(result)

    def tidy(self):
        """Remove what stars have left half-written, as soon as the disk lets us."""
        if self.untidy and (self.clear is None or self.clear([task.starid for task in self.untidy.values()])):
            self.untidy.clear()

    def give_up(self, result):
        """Stop when nothing can be read or written any more, and charge nobody for it."""
        self.blameless.update((task.priority, task) for task in self.io_failures)
        self.manager.forgive(self.io_failures)
        if not self.outcome.stopped:
            self.drain('io', f'{_IO_FAILURES} times in a row: {"; ".join(result.errors)}')

    def bury(self, event):
        self.untidy.update((task.priority, task) for task in (event.task, *event.others) if task)
        self.tidy()  # before anybody can begin them anew
        self.manager.give_back([self.claims.pop(task.priority) for task in event.others])
        if event.task is None:
            return
        logger.warning('%s: %s', starids.name(event.task.starid), event.message)
        self.finish(Result(event.task, STATUS.ERROR, reason=event.reason, errors=(event.message,)))


def _of(result, task):
    """The result of the task that was claimed, when a changed one was measured."""
    return result if result.task is task else replace(result, task=task)
