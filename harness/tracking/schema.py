"""The names under which this project writes to MLflow: the contract between `tracking/` and its readers."""

from typing import Literal

Kind = Literal["study", "trial", "confirmation", "winner", "baseline", "claim", "arm", "tuning", "exact", "report"]
State = Literal["complete", "pruned", "diverged", "failed", "interrupted"]

# MLflow's status for each state.
STATUS: dict[State, str] = {
    "complete": "FINISHED",
    "pruned": "KILLED",
    "diverged": "FAILED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
JUDGED_STATES = ("complete", "diverged")  # of a claim's runs and of a study's last ones: others are made again

# Tags of this project.
KIND, STATE, NOTE, OWNER = "harness.kind", "harness.state", "harness.note", "harness.owner"
NAME = "harness.name"  # of a parent run or an experiment, whose name in MLflow may be changed by hand
UID = "harness.uid"  # unique, and known before MLflow gives the run its id
DIGEST, HISTORIES = "harness.digest", "harness.digest.histories"  # see `digest.py`
CONFIG_HASH, DATASET_SHA256, ATTEMPT = "harness.config_hash", "harness.dataset_sha256", "harness.attempt"
GIT_COMMIT, GIT_DIRTY = "harness.git_commit", "harness.git_dirty"
TRIALS, WINNER = "harness.trials", "harness.winner"  # of a finished study: number of trials, number of the best one
CONFIRMED = "harness.confirmed"  # the numbers of the trials that were confirmed at last
FRESH_SEEDS = "harness.fresh_seeds"  # how many seeds confirmed each of them, and how many tested the winner
COMMAND = "harness.command"  # of a finished study: as it was typed last, without the paths of the machine
SPACE = "harness.space"  # what it searched, in words
SEARCHED = "harness.searched"  # the names of its parameters, separated by blanks
NETWORK_FILE = "harness.network_file"  # of a run with a network of the user's own: its path, as it was given
IMPORTANCES = "harness.importances"  # JSON: parameter → share, low, high
WARNINGS = "harness.warnings"  # JSON: the sentences of a finished study's summary
RESTORED = "harness.restored"  # of a run that is written again from Optuna's record, because MLflow had lost it
LEARNED = "harness.learned"  # "false" on a trial whose network only guesses
TRIAL, DUPLICATE_OF, DATASET_FALLBACK = "harness.trial", "harness.duplicate_of", "harness.dataset_fallback"
MODEL = "harness.model"
# The choice that loads the same data again; IGNORED is a JSON list.
DATA, TARGET, HEADER, IGNORED = "harness.data", "harness.target", "harness.header", "harness.ignored"
CLAIM_SHA256, QUICK, ARM, SEEDS = "harness.claim_sha256", "harness.quick", "harness.arm", "harness.seeds"
STUDY = "harness.study"  # of an arm's run that stands for a search: the name of its study
PROBES = "harness.probes"
EFFECT_SIZE = "harness.effect_size"  # of a report, followed by claim and estimand: smallest effect that matters over sd
STACK = "harness.stack"  # how many runs trained together
MATMUL_BACKEND = "harness.products"
ENVIRONMENT = "harness.environment."  # followed by python, torch, …, processor

# Tags of MLflow.
PARENT_RUN_ID, DESCRIPTION = "mlflow.parentRunId", "mlflow.note.content"
RUN_NAME = "mlflow.runName"  # writing it renames the run
SOURCE_NAME, SOURCE_TYPE, USER = "mlflow.source.name", "mlflow.source.type", "mlflow.user"
MLFLOW_GIT_COMMIT, DATASET_CONTEXT = "mlflow.source.git.commit", "mlflow.data.context"

# Artifacts and metrics.
# Metrics that repeat numeric params, so that they sort and compare as numbers. MLflow shows a group before the curves,
# but for `system/`, which has a tab of its own.
PARAM_METRIC = "system/param/"
TRAINING_SECONDS = "training_seconds"  # of a trial or an arm's run: the sum over its epochs
# Of a trial: the examples that trained, times the trainable parameters. Of a search, by trial: of all so far.
TRAINING_COST = "training_cost"
BEST_ACCURACY = "best_val_accuracy"  # of an arm that is a search, by trial: that of the best one so far
TRAJECTORY = "trajectory.npy"
SCORE = "tuning_score"  # of tuning runs: lower is better, absent if infinite
