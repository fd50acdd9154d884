"""Programs whose ranks share the work without speaking to each other."""

import os
import time

from photometry.core import ranks


def with_others(main) -> int:
    """Run the body of a program; end when all ranks of the job have done so.

    mpiexec ends the others when a rank leaves with an exit code, but a CCD that
    cannot be made must not cost those that can. Without MPI nobody waits.

    Parameters
    ----------
    main : callable
        Returns the exit code.
    """
    code = main()
    rank = ranks.rank(os.environ)
    if rank.size > 1 and rank.speaks_mpi:
        from photometry.todo.workers import mpi
        try:
            world = mpi.join(rank)
        except mpi.NoMpiError:
            return code
        everybody = world.comm.Ibarrier()
        while not everybody.test()[0]:
            time.sleep(0.05)
    return code
