#!/bin/bash
# Catalogues of all CCDs of a sector, spread over four processes.
#   sbatch catalog.sh SECTOR [TABLE]
#SBATCH --job-name=tessphot-catalog
#SBATCH --ntasks=4
#SBATCH --mem-per-cpu=8G
#SBATCH --time=01:00:00

source "$SLURM_SUBMIT_DIR/common.sh"

# Each task takes its share of the CCDs from its number (SLURM_PROCID); no MPI is needed.
# --kill-on-bad-exit=0: a CCD that fails does not end the work on the others.
srun --kill-on-bad-exit=0 tessphot-make-catalog "$1" ${2:+--catalog "$2"}
