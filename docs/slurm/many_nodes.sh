#!/bin/bash
# Light curves on many nodes with MPI: rank 0 schedules, each other rank supervises a child.
#   sbatch many_nodes.sh
#SBATCH --job-name=tessphot-mpi
#SBATCH --nodes=8
#SBATCH --ntasks-per-node=32
#SBATCH --mem-per-cpu=3G
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

source "$SLURM_SUBMIT_DIR/common.sh"

# Open MPI's mpiexec passes USR1 on to the ranks and waits; TERM it would follow by KILL after 0.4 s.
# --with-ft ulfm (Open MPI 5): the job outlives ranks that die, as when a node is lost.
# Rank 0 sleeps while it waits, so a core of its own is not needed. With srun instead of mpiexec:
#   run_or_requeue srun --mpi=pmix python -m mpi4py -m photometry.programs.tessphot --all
run_or_requeue mpiexec --with-ft ulfm -n "$SLURM_NTASKS" \
    python -m mpi4py -m photometry.programs.tessphot --all
