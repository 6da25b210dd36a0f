#!/bin/bash
# A job of four machines for Slurm: sbatch docs/slurm.sh. Change the numbers, the paths and the command to yours.
#
# Ten minutes before the time is up Slurm tells the job to stop; it leaves a checkpoint, and queues itself again to go on from it.
#SBATCH --job-name=memorize
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@600
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=memorize-%j.log
set -u

run=$SLURM_SUBMIT_DIR/runs/large
memorize=$SLURM_SUBMIT_DIR/target/release/memorize

# Waits for Slurm's signal beside the job, and hands it to mpirun, which hands it to every rank. With an MPI that Slurm knows,
# `srun --cpu-bind=none` does as well as `mpirun --bind-to none`.
launch() {
  mpirun --map-by ppr:1:node --bind-to none "$memorize" "$@" &
  job=$!
  trap 'kill -USR1 $job' USR1
  # A signal ends a wait, not the job.
  wait $job
  while kill -0 $job 2>/dev/null; do wait $job; done
  wait $job; code=$?
}

if [ -e "$run/config.toml" ]; then
  launch resume "$run" --threads "$SLURM_CPUS_PER_TASK"
else
  launch train --inputs X.npy --targets y.npy --normalize --neurons 3000 --optimizer gd --lr 1 --iterations 10000 \
    --out "$run" --threads "$SLURM_CPUS_PER_TASK"
fi

# 130: interrupted, after a checkpoint.
if [ "$code" -eq 130 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
