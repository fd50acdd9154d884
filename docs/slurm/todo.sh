#!/bin/bash
# The list of stars, in one process; seconds a CCD.
#   sbatch todo.sh SECTOR
#SBATCH --job-name=tessphot-todo
#SBATCH --ntasks=1
#SBATCH --mem=8G
#SBATCH --time=01:00:00

source "$SLURM_SUBMIT_DIR/common.sh"

tessphot-make-todo --sector "$1"
