#!/usr/bin/env bash
# A search on a Ray cluster that lives inside one Slurm job. From the project's folder, which all nodes must see:
#   export HARNESS_STORAGE=postgresql+psycopg2://optuna@HOST/optuna MLFLOW_TRACKING_URI=https://HOST
#   sbatch deploy/slurm.sh --trials 200
# Passwords come from ~/.pgpass and ~/.mlflow/credentials (mode 0600), never from here.
#SBATCH --job-name=lesson11
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --exclusive
#SBATCH --time=02:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail

cd "${SLURM_SUBMIT_DIR:?this is for sbatch}"
: "${MLFLOW_TRACKING_URI:?the address of MLflow is missing}"
export MLFLOW_TRACKING_URI PATH="$PWD/${HARNESS_VENV:-.venv}/bin:$PATH"
export MLFLOW_DISABLE_TELEMETRY=true RAY_USAGE_STATS_ENABLED=0

# A token for this job alone: a file that nobody else can read, on the home folder that all nodes share.
umask 077
RAY_AUTH_TOKEN_PATH="$(mktemp "$HOME/.lesson11-ray-$SLURM_JOB_ID.XXXXXX")"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH
od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$RAY_AUTH_TOKEN_PATH"

# Another job's Ray on the same node must neither be found nor disturbed.
export RAY_TMPDIR="/tmp/lesson11-$SLURM_JOB_ID"
port=$((20000 + SLURM_JOB_ID % 10000))
cpus="${SLURM_CPUS_PER_TASK:-1}"

steps=()
# shellcheck disable=SC2317,SC2329 # the trap below calls it
finish() {
    trap - EXIT
    kill "${steps[@]}" 2>/dev/null || true
    wait || true
    on_each_node rm -rf "$RAY_TMPDIR" || true
    rm -f "$RAY_AUTH_TOKEN_PATH"
}
trap finish EXIT

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head="${nodes[0]}"
# --overlap: each step may use all that the job has, or the steps would wait for one another.
on_each_node() {
    srun --overlap --nodes="${#nodes[@]}" --ntasks="${#nodes[@]}" --ntasks-per-node=1 "$@"
}

on_each_node mkdir -p "$RAY_TMPDIR"
srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --block --port="$port" --num-cpus=$((cpus > 1 ? cpus - 1 : 1)) \
    --object-store-memory=536870912 --include-dashboard=false --disable-usage-stats &
steps+=($!)

echo "waiting for Ray's head on $head:$port ..."
for ((second = 0; ; second += 2)); do
    ray health-check --address="$head:$port" >/dev/null 2>&1 && break
    if ((second >= 120)) || ! kill -0 "${steps[0]}" 2>/dev/null; then
        echo "error: no Ray head on $head:$port after $second s" >&2
        exit 1
    fi
    sleep 2
done

for node in "${nodes[@]:1}"; do
    srun --overlap --nodes=1 --ntasks=1 --nodelist="$node" \
        ray start --block --address="$head:$port" --num-cpus="$cpus" \
        --object-store-memory=536870912 --disable-usage-stats &
    steps+=($!)
done

program="${HARNESS_PROGRAM:-harness.search}"
options=(--engine ray --ray-address "$head:$port")
if [ "$program" = harness.search ]; then
    options+=(--gpus-per-run 0 --storage "${HARNESS_STORAGE:?the address of the database for Optuna is missing}")
fi

# In the background, so that Slurm's SIGTERM two minutes before the end reaches it: it stops after the running epochs,
# and the same sbatch goes on from there.
python -m "$program" "${options[@]}" "$@" &
driver=$!
told=
trap 'told=yes; kill -TERM "$driver" 2>/dev/null || true' TERM
status=0
wait "$driver" || status=$?
if [ -n "$told" ]; then # that wait ended with the signal, not with the program
    status=0
    wait "$driver" || status=$?
fi
exit "$status"
