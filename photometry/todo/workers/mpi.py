"""Work in the ranks of an MPI job: rank 0 schedules, each other rank supervises children."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from photometry.core.errors import ExitCode, Reason, TessphotError
from photometry.todo.dispatch import Died, Finished, Returned, Started
from photometry.todo.workers import crew
from photometry.todo.workers.local import WorkerRefusedError
from photometry.todo.workers.messages import GONE, Batch, Open, Order, Post, Recall, Refused

logger = logging.getLogger(__name__)

SILENCE = 300.0
"""Seconds without a word after which a rank counts as lost; it speaks every few seconds."""

_SHORT, _LONG = 0.0003, 0.01
_LOOK = 0.25
_GRACE = 10.0


class World:
    """The ranks of this job.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
    """

    def __init__(self, comm):
        self.comm, self.rank, self.size = comm, comm.rank, comm.size
        self.post = Post(comm)
        self.lost: set[int] = set()
        self.sent: Counter[int] = Counter()
        """Batches by rank."""

    @property
    def others(self) -> list[int]:
        """Ranks other than 0 that are not lost."""
        return [rank for rank in range(1, self.size) if rank not in self.lost]

    def tell(self, message):
        """Send a message to all others."""
        for rank in self.others:
            self.post.send(message, rank)

    def run(self, lead) -> int:
        """Call ``lead`` on rank 0 while the other ranks serve it; the exit code of this rank.

        It does not return when ranks were lost, for MPI would wait for them.
        """
        with self:
            code = crew.serve(self.post) if self.rank else lead()
        if self.lost:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            self.comm.Abort(int(code))
        return int(code)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if self.rank == 0:
            self._dismiss()
        elif kind is not None:
            # the others wait for this rank, so nobody would ever end by himself
            sys.excepthook(kind, error, traceback)
            self.comm.Abort(int(ExitCode.INTERNAL))

    def _dismiss(self):
        """Have the others end, and wait until they did: some launchers kill what is left after rank 0."""
        self.tell(Order.LEAVE)
        left, deadline = set(self.others), time.monotonic() + _GRACE
        while left and time.monotonic() < deadline:
            left -= {rank for rank, message in self.post.receive() if message == GONE}
            left -= self.post.dead()
            time.sleep(_LONG)
        self.lost |= left | self.post.dead()


class NoMpiError(TessphotError):
    """Processes were started together, but MPI does not connect them."""


def join(rank) -> World | None:
    """The world of this process; None when it is the only one.

    Parameters
    ----------
    rank : photometry.core.ranks.Rank
        What the launcher says of this process.

    Raises
    ------
    NoMpiError
        When there is no MPI library, or not the launcher's.
    """
    if rank.size > 1 and not rank.speaks_mpi:
        raise NoMpiError('MPI cannot be used (srun was not asked for it: --mpi=pmix)')
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: no library is found
        logger.debug('mpi4py: %s', error)
        raise NoMpiError('MPI cannot be used (mpi4py or its library is missing: '
                         'pip install "tessphot[mpi]")') from error
    if MPI.COMM_WORLD.size > 1:
        return World(MPI.COMM_WORLD)
    if rank.size > 1:
        raise NoMpiError('MPI cannot be used (mpi4py has another library than the mpiexec or srun)')
    return None


@dataclass
class _Rank:
    """What rank 0 knows of another rank."""

    free: int = 0
    """Children that can take a batch, those under way subtracted."""
    busy: bool = True
    """Whether children are at work or on their way; so until the rank has said otherwise."""
    tasks: dict = field(default_factory=dict)
    """Stars that it holds, by priority."""
    running: dict = field(default_factory=dict)
    heard: float = field(default_factory=time.monotonic)


class MpiWorkers:
    """The children of all other ranks, seen from rank 0.

    A rank that dies costs the stars that its children were measuring an attempt
    each; unless mpiexec runs with ``--with-ft ulfm``, it ends the job.

    Parameters
    ----------
    world : World
    open_worker : callable
        Picklable; returns a context manager yielding ``work(task) -> Result``.
    number : int
        Children of each rank.
    **options
        As `photometry.todo.workers.local.LocalWorkers`.
    """

    dies_with_scheduler = False

    def __init__(self, world, open_worker, number=1, **options):
        self._world, self._silence = world, SILENCE
        self._open = Open(open_worker, number, options)
        self._draining = False
        self._next_look = 0.0

    def __enter__(self):
        self._ranks = {rank: _Rank() for rank in self._world.others}
        self._world.tell(self._open)
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.kill()

    # The protocol

    @property
    def number(self):
        """Children of all ranks that are not lost."""
        return len(self._ranks) * self._open.number

    @property
    def free(self):
        """Batches that children can take now."""
        return 0 if self._draining else sum(one.free for one in self._ranks.values() if one.free > 0)

    @property
    def busy(self):
        """Whether stars are in a rank, or children on their way that could take some."""
        return any(one.tasks or (one.busy and not self._draining) for one in self._ranks.values())

    def submit(self, batch):
        """Give a batch to the rank with most children free."""
        rank = max(self._ranks, key=lambda rank: self._ranks[rank].free)
        one = self._ranks[rank]
        self._world.sent[rank] += 1
        one.free -= 1
        one.tasks.update((task.priority, task) for task in batch)
        self._world.post.send(Batch(tuple(batch)), rank)

    def events(self, timeout):
        """What the children of all ranks did."""
        deadline, nap = time.monotonic() + timeout, _SHORT
        while True:
            # also a message without events may have freed a child
            heard = [self._hear(rank, message) for rank, message in self._world.post.receive()]
            heard += self._look_for_losses()
            if heard or time.monotonic() >= deadline:
                break
            time.sleep(nap)
            nap = min(1.5 * nap, _LONG)
        for events in heard:
            yield from events

    def recall(self, tasks):
        """Have the ranks hand back what has not begun of batches with these stars."""
        for rank, one in self._ranks.items():
            held = tuple(task for task in tasks if task.priority in one.tasks)
            if held:
                self._world.post.send(Recall(held), rank)

    def drain(self):
        """Let running stars end within a few seconds; the rest comes back."""
        if not self._draining:
            self._draining = True
            self._world.tell(Order.DRAIN)

    def kill(self):
        """End every child now."""
        self._world.tell(Order.KILL)

    # What the ranks say

    def _hear(self, rank, message):
        """Events of a message."""
        one = self._ranks.get(rank)
        if one is None:  # it was given up, and its stars went to others
            return ()
        if isinstance(message, Refused):
            raise WorkerRefusedError(message.sentence, message.code)
        one.heard = time.monotonic()
        one.busy = message.busy
        one.free = message.free - (self._world.sent[rank] - message.arrived)
        for event in message.events:
            _follow(one, event)
        return message.events

    def _look_for_losses(self):
        """A list of events for each rank that was lost."""
        now = time.monotonic()
        if now < self._next_look:
            return []
        self._next_look = now + _LOOK
        dead = self._world.post.dead() & set(self._ranks)
        silent = {rank for rank, one in self._ranks.items() if now - one.heard > self._silence} - dead
        found = [self._lose(rank, 'died') for rank in sorted(dead)]
        found += [self._lose(rank, f'was silent for {self._silence:g} s') for rank in sorted(silent)]
        if found and not self._ranks:
            raise WorkerRefusedError('Every rank is lost; the same command continues.', ExitCode.RESUMABLE)
        return found

    def _lose(self, rank, how):
        one = self._ranks.pop(rank)
        self._world.lost.add(rank)
        logger.warning('Rank %d %s; %d ranks go on.', rank, how, len(self._ranks))
        # Some of them may have begun: the rank's last words were lost with it.
        waiting = tuple(task for number, task in one.tasks.items() if number not in one.running)
        events = [Died(task, Reason.CRASH, f'Rank {rank}, which measured it, {how}.')
                  for task in one.running.values()]
        return [*events, Died(None, others=waiting)]


def _follow(one, event):
    """Keep count of the stars that a rank holds."""
    if isinstance(event, Started):
        one.running[event.task.priority] = event.task
        return
    if isinstance(event, Finished):
        over = [event.result.task]
    elif isinstance(event, Returned):
        over = event.tasks
    else:
        over = [*event.others, *([event.task] if event.task else [])]
    for task in over:
        one.tasks.pop(task.priority, None)
        one.running.pop(task.priority, None)
