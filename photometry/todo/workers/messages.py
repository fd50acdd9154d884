"""What ranks tell each other, sent without waiting for the other side."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_TAG = 7


@dataclass(frozen=True)
class Open:
    """To a rank: make a pool of so many children."""

    open_worker: Callable
    number: int
    options: dict = field(default_factory=dict)
    """Keywords of `photometry.todo.workers.local.LocalWorkers`."""


@dataclass(frozen=True)
class Batch:
    """To a rank: stars for one of its children."""

    tasks: tuple


@dataclass(frozen=True)
class Recall:
    """To a rank: hand back what has not begun of batches with these stars."""

    tasks: tuple


class Order(enum.Enum):
    """To a rank."""

    DRAIN = 'begin no further star'
    KILL = 'end every child now'
    LEAVE = 'close the pool, answer GONE, end'


@dataclass(frozen=True)
class Report:
    """From a rank: what its pool said, and how it stands after so many batches have arrived."""

    arrived: int
    free: int
    busy: bool
    events: tuple = ()


@dataclass(frozen=True)
class Refused:
    """From a rank: its worker could not be set up."""

    sentence: str
    code: int


GONE = 'gone'
"""From a rank: nothing of it runs any more."""


class Post:
    """Messages of this rank, to and from others.

    A blocking send waits for its receiver when a message is large; two ranks
    that send to each other at once would wait for ever.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
    """

    def __init__(self, comm):
        from mpi4py import MPI
        self.comm = comm
        self._error, self._anyone = MPI.Exception, MPI.ANY_SOURCE
        self._status = MPI.Status()
        self._under_way = []

    def send(self, message, rank: int):
        """Send a message; one to a dead rank is lost without a word."""
        self._under_way = [request for request in self._under_way if not self._is_over(request)]
        try:
            self._under_way.append(self.comm.isend(message, rank, _TAG))
        except self._error:
            return

    def _is_over(self, request):
        try:
            return request.test()[0]
        except self._error:
            return True

    def receive(self, rank: int | None = None) -> Iterator[tuple]:
        """Yield (rank, message) of everything that has arrived from one rank, or from any.

        Raises
        ------
        mpi4py.MPI.Exception
            When the one rank is dead.
        """
        source = self._anyone if rank is None else rank
        while self._is_there(source):
            sender = self._status.source
            yield sender, self.comm.recv(None, sender, _TAG)

    def _is_there(self, source):
        try:
            return self.comm.iprobe(source, _TAG, self._status)
        except self._error:
            if source != self._anyone:
                raise
            self.dead()  # acknowledges them, so that the next probe hears the living
            return False

    def dead(self) -> set[int]:
        """Ranks that MPI knows to have died; never any unless mpiexec ran with --with-ft ulfm."""
        try:
            self.comm.Ack_failed()
            failed = self.comm.Get_failed()
        except (self._error, NotImplementedError):
            return set()
        return set(failed.Translate_ranks(None, self.comm.group)) if failed.size else set()
