#!/bin/bash
# Light curves by independent jobs that share a list on a PostgreSQL server, on one cluster or several.
#   export TESSPHOT_TODO=postgresql+psycopg://tess@dbhost/sector005    (password: ~/.pgpass)
#   sbatch array.sh
#
# A job may begin, end or vanish at any time: the stars that it held go to the others when its lease
# runs out. So short jobs that fit into gaps of the schedule do well here.
#SBATCH --job-name=tessphot-array
#SBATCH --array=1-20
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem-per-cpu=3G
#SBATCH --time=02:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

source "$SLURM_SUBMIT_DIR/common.sh"
: "${TESSPHOT_TODO:?set it to the URL of the PostgreSQL database}"
export TESSPHOT_TODO

run_or_requeue tessphot --all --workers "$SLURM_CPUS_PER_TASK"
