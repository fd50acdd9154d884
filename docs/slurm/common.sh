# What the other scripts share. Sourced, so that each of them stays a list of what it does.
#
# Set these before submitting, or here:
#   TESSPHOT_INPUT    directory with images, catalogues and cubes, seen by every node
#   TESSPHOT_OUTPUT   directory of light curves (default: TESSPHOT_INPUT/lightcurves)
#   TESSPHOT_TODO     the list (default: TESSPHOT_INPUT/todo.sqlite), or a PostgreSQL URL for array.sh

: "${TESSPHOT_INPUT:?set it to the directory of the images}"
export TESSPHOT_INPUT

# Run a command to its end, and hand the job back to the queue when it was stopped half-way.
#
# --signal=B:USR1@120 tells this shell, two minutes before the time limit or at preemption. It passes
# the word on; the program lets running stars end (10 s), and exits with 75: the same command continues.
# A shell hears signals only between commands, so the command runs in the background.
run_or_requeue() {
    "$@" &
    local program=$! code=0 job=$SLURM_JOB_ID
    trap 'kill -USR1 "$program" 2>/dev/null' USR1 TERM
    while kill -0 "$program" 2>/dev/null; do    # a signal ends wait, not the program
        wait "$program"
    done
    wait "$program" || code=$?
    trap - USR1 TERM
    if [ "$code" -eq 75 ]; then
        scontrol requeue "$job"
    fi
    return "$code"
}
