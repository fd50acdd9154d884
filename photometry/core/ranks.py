"""Which of several processes this one is, when mpiexec or srun started them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_LAUNCHERS = (('OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'), ('PMI_RANK', 'PMI_SIZE'),
              ('PMIX_RANK', 'SLURM_STEP_NUM_TASKS'), ('SLURM_PROCID', 'SLURM_STEP_NUM_TASKS'))
"""Variables with rank and size: Open MPI; MPICH, Intel MPI; srun with PMIx; plain srun.

mpiexec starts its ranks through srun on some clusters, so the names of the MPI libraries come first.
SLURM_NTASKS would be wrong: the one shell of a batch script has it, too.
"""


@dataclass(frozen=True)
class Rank:
    """One of ``size`` processes, or one of as many parts of some work."""

    number: int = 0
    size: int = 1
    speaks_mpi: bool = field(default=False, compare=False)
    """Whether the launcher connects the processes by MPI; Open MPI aborts those that plain srun started."""

    def share(self, items: Sequence) -> Sequence:
        """Every ``size``-th item: the shares of all ranks are all items, each once."""
        return items[self.number::self.size]


ALONE = Rank()
"""The rank of a process that nobody shares its work with."""


def rank(environment: Mapping) -> Rank:
    """The rank that a launcher gave this process; the only one where there was no launcher."""
    for number, size in _LAUNCHERS:
        values = environment.get(number, ''), environment.get(size, '')
        if all(value.isascii() and value.isdigit() for value in values):
            return Rank(*map(int, values), speaks_mpi=number != 'SLURM_PROCID')
    return ALONE
