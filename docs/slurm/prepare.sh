#!/bin/bash
# Cubes of all CCDs of a sector: four nodes, a CCD at a time on each, its frames over 16 cores.
#   sbatch prepare.sh SECTOR
#
# Without srun, an array does the same:  sbatch --array=1-16 --ntasks=1 ... with
#   tessphot-prepare-photometry --part "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --workers 16
#SBATCH --job-name=tessphot-prepare
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=12:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue

source "$SLURM_SUBMIT_DIR/common.sh"

# srun passes USR1 on to its tasks. Each finishes the block in hand and exits with 75; the job, back in
# the queue, begins where it stopped. SRUN_CPUS_PER_TASK: since SLURM 22.05, srun does not take over the
# cores that sbatch was asked for.
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
run_or_requeue srun --kill-on-bad-exit=0 \
    tessphot-prepare-photometry --sector "$1" --workers "$SLURM_CPUS_PER_TASK"
