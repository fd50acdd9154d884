#!/bin/bash
# Submit a whole sector: catalogues, cubes, the list, then the stars, each after the one before.
#
#   cd docs/slurm        (or a copy of it with your account and partition in the scripts)
#   export TESSPHOT_INPUT=/project/tess/sector005
#   ./submit.sh 5 /project/tess/tic_sector005.parquet [one_node.sh | many_nodes.sh | array.sh]
#
# afterok starts a job only when the one before ended with 0. Of the cubes, that is when every CCD has
# one: "afterany" would go on with those that could be made.
set -euo pipefail

sector=$1 stars=$2 photometry=${3:-one_node.sh}

catalog=$(sbatch --parsable catalog.sh "$sector" "$stars")
prepare=$(sbatch --parsable --dependency="afterok:$catalog" prepare.sh "$sector")
todo=$(sbatch --parsable --dependency="afterok:$prepare" todo.sh "$sector")
light=$(sbatch --parsable --dependency="afterok:$todo" "$photometry")
echo "catalogues $catalog, cubes $prepare, list $todo, light curves $light"
