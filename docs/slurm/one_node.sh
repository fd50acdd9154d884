#!/bin/bash
# Light curves on one node: a scheduler and a child for each core but one.
#   sbatch one_node.sh
#SBATCH --job-name=tessphot
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=32
#SBATCH --mem-per-cpu=3G
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

source "$SLURM_SUBMIT_DIR/common.sh"

# BLAS is held to one thread by the program itself: children are processes, and the node is full of them.
run_or_requeue tessphot --all --workers "$((SLURM_CPUS_PER_TASK > 1 ? SLURM_CPUS_PER_TASK - 1 : 1))"
