"""The study with a trainer that costs nothing: what is asked and told must depend on the seed alone."""

import math
import random
from collections import Counter
from itertools import product
from pathlib import Path

import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.storages._rdb.models import TrialModel
from support.study_helpers import run_rounds

from harness.core.defaults import LESSON
from harness.core.errors import Stopped, UserError
from harness.core.paths import DEFAULT_SPACE
from harness.core.seeds import derive
from harness.studies import run
from harness.studies.cached_study import CachedStudy
from harness.studies.sampler import Sampler
from harness.studies.space_file import read_space
from harness.studies.storage import open_storage
from harness.studies.study import Study
from harness.studies.trial import Outcome

URL = "sqlite:///optuna.db"
TOTAL, ROUND = 14, 6  # three rounds: pruning begins in the second, TPE in the third


def accuracies(params):
    """A smooth stand-in for validation accuracy by epoch, best near lr 0.1 and gamma 0.9."""
    peak = 0.9 - 0.05 * abs(math.log10(params["lr"]) + 1) - 0.2 * abs(params["gamma"] - 0.9)
    return [peak * (1 - 0.5 ** (epoch + params["batch_norm"])) for epoch in range(1, params["epochs"] + 1)]


def open_study(url=URL, **changes):
    fields = {"name": "study", "space": read_space(DEFAULT_SPACE), "seed": 420, "settings": {"round": ROUND}}
    return Study(url, **fields | changes)


def run_trial(study, trial, epochs_done=None):
    """Train one trial, or only its first `epochs_done` epochs as if it were cut off then."""
    told = []
    for epoch, accuracy in enumerate(accuracies(trial.params), start=1):
        told.append(accuracy)
        go_on = study.should_continue(trial, epoch, accuracy, trial.params["epochs"])
        if epochs_done == epoch:
            return
        if not go_on:
            study.record_outcome(trial, Outcome("pruned", "", tuple(told), 1.0, f"run {trial.number}"))
            return
    state = "diverged" if trial.params["lr"] > 0.5 else "complete"
    study.record_outcome(trial, Outcome(state, "", tuple(told), 1.0, f"run {trial.number}"))


def run_open(study):
    """Run the open round, and leave it untold."""
    trials = study.open_round(ROUND, TOTAL)
    for trial in trials:
        if trial.outcome is None:
            run_trial(study, trial)
    return trials


def run_study(study, shuffle=None, total=TOTAL):
    finished = run_rounds(study, run_trial, ROUND, total, shuffle)
    return [(trial.number, trial.params, trial.outcome.state, trial.outcome.accuracies) for trial in finished]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run_study(open_study(f"sqlite:///{tmp_path_factory.mktemp('undisturbed')}/optuna.db"))


def test_the_first_trial_is_the_lessons_own_setting_and_states_of_all_kinds_occur(undisturbed):
    assert undisturbed[0][:2] == (0, LESSON)
    assert {state for _, _, state, _ in undisturbed} == {"complete", "pruned", "diverged"}
    assert len(undisturbed) == TOTAL


def test_a_trial_that_was_trained_before_a_stop_is_done_though_it_was_not_told():
    study = open_study()
    trials = study.open_round(ROUND, TOTAL)
    for trial in trials[:2]:
        run_trial(study, trial)
    again = open_study()
    assert (len(again.finished()), again.done) == (0, 2)
    study.requeue(trials)
    run_study(study)
    assert open_study().done == TOTAL


def test_the_sampler_proposes_what_optunas_own_tpe_does():
    """It is only told the space that TPE finds out by itself, from 10,000 trials in seconds for a round."""
    space = read_space(DEFAULT_SPACE).distributions()
    proposals = []
    for make in (
        lambda seed: Sampler(space, seed),
        lambda seed: TPESampler(n_startup_trials=10, multivariate=True, constant_liar=True, seed=seed),
    ):
        study = optuna.create_study(direction="maximize")
        for number in range(25):
            study.sampler = make(number)
            trial = study.ask(space)
            study.tell(trial, accuracies(trial.params)[-1])
        proposals.append([trial.params for trial in study.trials])
    assert proposals[0] == proposals[1]


@pytest.mark.slow
def test_a_long_study_is_sampled_from_its_newest_trials_and_the_best_before_them():
    """As TPE proposes when it is given those alone."""
    space = read_space(DEFAULT_SPACE).distributions()
    drawn = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
    for number in range(1_240):
        trial = drawn.ask(space)
        if number >= 1_200:
            continue  # it runs
        if number % 7:
            drawn.tell(trial, 1 - number / 1_200 if number % 2 else 0.1)
        else:
            drawn.tell(trial, state=optuna.trial.TrialState.PRUNED)
    trials = drawn.get_trials(deepcopy=False)
    best = [trial for trial in trials[:200] if trial.value and trial.value > 0.1][:25]
    storage = open_storage(URL)
    optuna.create_study(study_name="long", storage=storage, direction="maximize").add_trials(trials)
    proposals = [CachedStudy(storage, "long", optuna.pruners.NopPruner()).ask(Sampler(space, 5), space).params]
    for given in (best + trials[200:], trials[200:]):
        sampler = TPESampler(n_startup_trials=10, multivariate=True, constant_liar=True, seed=5)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials(given)
        proposals.append(study.ask(space).params)
    assert proposals[0] == proposals[1] != proposals[2]


@pytest.mark.slow
def test_pruning_is_what_optunas_own_call_says_of_the_storage(monkeypatch):
    study = open_study()
    ours, theirs = [], []
    should_continue = study.should_continue

    def compared(trial, epoch, accuracy, last_epoch):
        goes_on = should_continue(trial, epoch, accuracy, last_epoch)
        if epoch < last_epoch:
            ours.append(not goes_on)
            kept = optuna.load_study(study_name="study", storage=URL, pruner=study.optuna.pruner)
            theirs.append(kept.pruner.prune(kept, kept.trials[trial.number]))
        return goes_on

    monkeypatch.setattr(study, "should_continue", compared)
    run_study(study, total=24)
    assert ours == theirs and {True, False} == set(ours)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_order_in_which_trials_end_changes_nothing(undisturbed, seed):
    assert run_study(open_study(), random.Random(seed)) == undisturbed


RANDOM = {"settings": {"round": ROUND, "sampler": "random", "pruner": "none"}}
CHOICES = """
[lr]
choices = [0.01, 0.03, 0.1, 0.3]
[gamma]
choices = [0.0, 0.9]
[epochs]
low = 5
high = 6
"""


def fields_of(sampler, pruner="median"):
    """What `open_study` takes for this sampler: a grid needs choices."""
    fields = {"settings": {"round": ROUND, "sampler": sampler, "pruner": pruner}}
    if sampler == "grid":
        path = Path("choices.toml")
        path.write_text(CHOICES)
        fields["space"] = read_space(path)
    return fields


@pytest.mark.parametrize("sampler", ["random", "qmc", "gp", "cmaes", "grid"])
def test_each_sampler_gives_the_same_search_in_any_order_after_a_kill_and_when_it_grows(tmp_path, sampler):
    fields = fields_of(sampler)
    whole = run_study(open_study(f"sqlite:///{tmp_path}/whole.db", **fields))
    assert len({tuple(params.items()) for _, params, *_ in whole}) > TOTAL / 2
    assert run_study(open_study(f"sqlite:///{tmp_path}/shuffled.db", **fields), random.Random(1)) == whole
    url = f"sqlite:///{tmp_path}/killed.db"
    run_study(open_study(url, **fields), total=4)
    study = open_study(url, **fields)
    trials = study.open_round(ROUND, TOTAL)
    run_trial(study, trials[0])
    run_trial(study, trials[1], epochs_done=1)
    study = open_study(url, **fields)
    study.recover()
    study.close_round(run_open(study))
    run_trial(study, study.open_round(ROUND, TOTAL)[3])
    resumed = open_study(url, **fields)
    resumed.recover()
    assert run_study(resumed) == whole


def test_random_search_without_pruning_ends_every_trial_and_tpe_begins_as_it_does(tmp_path, undisturbed):
    whole = run_study(open_study(f"sqlite:///{tmp_path}/whole.db", **RANDOM))
    assert {state for _, _, state, _ in whole} == {"complete", "diverged"}, "nothing is pruned"
    proposed, by_tpe = ([params for _, params, *_ in trials] for trials in (whole, undisturbed))
    assert proposed[:10] == by_tpe[:10] and proposed[10:] != by_tpe[10:], "TPE begins with ten at random"


def test_a_grid_tries_each_point_once():
    found = run_study(open_study(**fields_of("grid")), total=16)
    points = {(params["lr"], params["gamma"], params["epochs"]) for _, params, *_ in found}
    assert points == set(product([0.01, 0.03, 0.1, 0.3], [0.0, 0.9], [5, 6]))


def test_a_part_of_a_config_that_somebody_enqueued_is_completed_in_a_grid_too():
    study = open_study(**fields_of("grid"))
    optuna.load_study(study_name="study", storage=URL).enqueue_trial({"lr": 0.03})
    found = run_study(open_study(**fields_of("grid")), total=3)
    assert 0.03 in [params["lr"] for _, params, *_ in found] and len(found) == 3
    assert study.name == "study"


def test_a_quasi_random_search_follows_one_sobol_sequence():
    """Fifteen of the first sixteen points (the first trial is the lesson's): two in each eighth of lr, on its scale."""
    found = run_study(open_study(**fields_of("qmc", "none")), total=16)
    eighths = Counter(int((math.log10(params["lr"]) + 3) / 3 * 8) for _, params, *_ in found[1:])
    assert sorted(eighths.values()) == [1, 2, 2, 2, 2, 2, 2, 2]


def test_random_search_proposes_what_optunas_own_sampler_does():
    asked = run_study(open_study(**RANDOM), total=4)
    space = read_space(DEFAULT_SPACE).distributions()
    for number, params, *_ in asked[1:]:
        sampler = optuna.samplers.RandomSampler(derive(420, f"trial {number}"))
        own = optuna.create_study(sampler=sampler).ask(space)
        assert own.params == params


def test_another_seed_asks_other_trials(undisturbed):
    assert run_study(open_study(seed=421), total=4)[1:] != undisturbed[1:4]


@pytest.mark.parametrize(
    "rounds_before", [pytest.param(0, marks=pytest.mark.slow), 1, pytest.param(2, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param("none ran", marks=pytest.mark.slow),
        "one is cut off in mid-run",
        "all but one ended",
        pytest.param("all ended", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("end", ["put back", pytest.param("killed", marks=pytest.mark.slow)])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(undisturbed, rounds_before, asked, end):
    study = open_study()
    for _ in range(rounds_before):
        trials = study.open_round(ROUND, TOTAL)
        for trial in trials:
            run_trial(study, trial)
        study.close_round(trials)
    trials = study.open_round(ROUND, TOTAL)
    if asked == "one is cut off in mid-run":
        run_trial(study, trials[1], epochs_done=2)
    elif asked != "none ran":
        for trial in trials[: None if asked == "all ended" else -1]:
            run_trial(study, trial)
    if end == "put back":
        study.requeue(trials)

    resumed = open_study()
    resumed.recover()
    assert not resumed.optuna.get_trials(states=(optuna.trial.TrialState.RUNNING,))
    assert run_study(resumed) == undisturbed


@pytest.mark.parametrize("before", [(1,), (4,), (8, 9), pytest.param((6, 13), marks=pytest.mark.slow)])
def test_a_study_that_grows_is_the_one_that_was_as_large_from_the_start(undisturbed, before):
    for total in before:
        assert len(run_study(open_study(), total=total)) == total
    assert run_study(open_study()) == undisturbed


def test_a_study_that_grows_and_is_stopped_in_a_round_that_it_had_begun_goes_on(undisturbed):
    run_study(open_study(), total=8)
    study = open_study()
    trials = study.open_round(ROUND, TOTAL)
    assert [trial.number for trial in trials] == [8, 9, 10, 11]
    run_trial(study, trials[2])
    study.requeue(trials)
    resumed = open_study()
    resumed.recover()
    assert run_study(resumed) == undisturbed


def test_a_search_killed_while_its_trials_are_told_goes_on_as_if_it_had_not_been(undisturbed):
    study = open_study()
    trials = study.open_round(ROUND, TOTAL)
    for trial in trials:
        run_trial(study, trial)
    study.close_round(trials[:3])
    resumed = open_study()
    resumed.recover()
    assert run_study(resumed) == undisturbed


def test_a_search_killed_between_two_asks_goes_on_as_if_it_had_not_been(undisturbed):
    open_study().open_round(3, TOTAL)  # three of the six trials of the first round
    resumed = open_study()
    resumed.recover()
    assert run_study(resumed) == undisturbed


@pytest.mark.parametrize("asked_before", [0, 5, 13])
def test_a_trial_that_died_while_it_was_written_down_is_drawn_again(undisturbed, monkeypatch, asked_before):
    study = open_study()
    for _ in range(asked_before // ROUND):
        trials = study.open_round(ROUND, TOTAL)
        for trial in trials:
            run_trial(study, trial)
        study.close_round(trials)
    count, in_all = TrialModel.count_past_trials, []

    def counted(trial, session):
        if len(in_all) == asked_before % ROUND:
            raise SystemExit
        in_all.append(trial)
        return count(trial, session)

    with monkeypatch.context() as patch:
        patch.setattr(TrialModel, "count_past_trials", counted)  # the last step, when its parameters are there
        with pytest.raises(SystemExit):
            study.open_round(ROUND, TOTAL)
    resumed = open_study()
    assert len(resumed.trials()) == asked_before
    resumed.recover()
    assert run_study(resumed) == undisturbed


def kept_trials():
    return optuna.load_study(study_name="study", storage=URL).get_trials()


def test_the_storage_holds_what_the_study_says():
    study = open_study()
    run_study(study)
    ours = [(one.params, one.state, one.value, one.user_attrs, one.intermediate_values) for one in study.optuna.trials]
    kept = [(one.params, one.state, one.value, one.user_attrs, one.intermediate_values) for one in kept_trials()]
    assert kept == ours
    assert {one.state.name for one in kept_trials()} == {"COMPLETE", "PRUNED"}


def test_whoever_goes_on_makes_products_as_the_study_began(monkeypatch):
    choices = {None: "onednn", "onednn": "onednn", "default": "default"}
    monkeypatch.setattr(run, "choose_matmul_backend", lambda device, before: choices[before])
    assert run._matmul_backend(open_study(), "cpu") == "onednn"
    choices[None] = "default"  # measured another time, near the bound
    assert run._matmul_backend(open_study(), "cpu") == "onednn"
    assert run._matmul_backend(open_study(name="another"), "cpu") == "default"
    choices["onednn"] = "default"  # another machine, where it is not as exact
    assert run._matmul_backend(open_study(), "cpu") == "default"
    assert open_study().matmul_backend == "onednn"


def test_a_study_that_began_before_this_was_kept_has_its_products_measured_each_time(monkeypatch):
    run_study(open_study(), total=1)
    monkeypatch.setattr(run, "choose_matmul_backend", lambda device, before: before or "onednn")
    assert run._matmul_backend(open_study(), "cpu") == "onednn"
    assert open_study().matmul_backend is None


def test_trials_that_somebody_added_stay_in_sight_and_shift_no_round():
    study = open_study()
    space = study.space.distributions()
    params = {name: LESSON[name] for name in space} | {"gamma": 0.5}
    added = optuna.trial.create_trial(value=0.7, params=params, distributions=space)
    study._study.stored.add_trials([added] * 4)
    grown = open_study()
    assert len(grown.open_round(ROUND, TOTAL)) == ROUND
    assert len(grown.optuna.get_trials(states=(optuna.trial.TrialState.COMPLETE,))) == 4


def test_a_trial_that_somebody_enqueued_is_run():
    enqueued = {"lr": 0.2, "batch_size": 32}
    open_study()
    optuna.load_study(study_name="study", storage=URL).enqueue_trial(enqueued)
    (trial,) = open_study().open_round(1, 1)
    (kept,) = kept_trials()
    assert kept.params == trial.params == trial.params | enqueued
    assert kept.state.name == "RUNNING"


def test_a_trial_that_somebody_failed_before_it_ran_does_not_count():
    open_study()
    theirs = optuna.load_study(study_name="study", storage=URL)
    theirs.enqueue_trial({"lr": 0.2})
    open_storage(URL).set_trial_state_values(theirs.trials[0]._trial_id, optuna.trial.TrialState.FAIL)
    again = open_study()
    assert again.recover() == [] and again.trials() == []


@pytest.mark.parametrize(
    ("enqueued", "told"),
    [
        ({"lr": 2.0}, "lr 2.0"),
        ({"epochs": 50, "lr": 0.2}, "epochs 50"),
        ({"epochs": 3.0}, "epochs 3.0"),
        ({"lr": "0.1"}, "lr '0.1'"),
        ({"lr": float("nan")}, "lr nan"),
        ({"lr": True}, "lr True"),
        ({"batch_norm": 1}, "batch_norm 1"),
        ({"batch_size": 33}, "batch_size 33"),
        ({"dropout": 0.5, "gamma": -1}, "dropout 0.5, gamma -1"),
    ],
)
def test_a_trial_that_was_enqueued_outside_the_space_is_left_out_and_the_others_run(enqueued, told):
    open_study()
    theirs = optuna.load_study(study_name="study", storage=URL)
    for params in (enqueued, {"lr": 0.2}):
        theirs.enqueue_trial(params)
    study = open_study()
    (sentence,) = study.recover()
    assert sentence == f"trial 0 was enqueued with {told}, outside the search space: it is left out"
    assert [trial.params["lr"] for trial in study.open_round(1, 1)] == [0.2]
    assert [trial.state.name for trial in kept_trials()] == ["FAIL", "RUNNING"]
    again = open_study()
    assert again.recover() == [] and again.done == 0


@pytest.mark.parametrize(
    ("distribution", "value"),
    [
        (optuna.distributions.FloatDistribution(0, 5), 2.0),
        (optuna.distributions.CategoricalDistribution([0.1, 0.2]), 0.1),
    ],
)
def test_a_study_that_holds_trials_of_other_code_is_refused(distribution, value):
    open_study()
    theirs = optuna.load_study(study_name="study", storage=URL)
    theirs.add_trial(optuna.create_trial(params={"lr": value}, distributions={"lr": distribution}, value=0.5))
    with pytest.raises(UserError, match=r"trial 0 of study 'study' is of other code: its lr is from .*--study NAME"):
        open_study()


def test_a_round_that_was_put_back_is_asked_again_by_the_same_study():
    study = open_study()
    first = study.open_round(3, TOTAL)
    study.requeue(first)
    assert study.open_round(3, TOTAL) == first
    assert len(kept_trials()) == 3


def test_a_trial_that_somebody_adds_meanwhile_stops_the_search_and_is_taken_up_by_the_next():
    study = open_study()
    study.open_round(2, TOTAL)
    optuna.load_study(study_name="study", storage=URL).enqueue_trial({"lr": 0.2})
    with pytest.raises(Stopped, match=r"^another process added trials to study 'study': run the same command again$"):
        study.open_round(1, TOTAL)
    resumed = open_study()
    resumed.recover()
    assert [trial.params["lr"] for trial in resumed.open_round(4, TOTAL)][2] == 0.2
    assert len(kept_trials()) == 4


def test_no_more_trials_than_the_total_and_a_greater_total_adds_some(undisturbed):
    run_study(open_study())
    assert open_study().open_round(ROUND, TOTAL) == []
    assert len(run_study(open_study(), total=TOTAL + 3)) == TOTAL + 3


def test_the_lessons_setting_is_left_out_where_the_space_does_not_hold_it():
    Path("narrow.toml").write_text("[lr]\nlow=0.001\nhigh=0.1")
    study = open_study(space=read_space(Path("narrow.toml")))
    assert study.params_outside_space == ["lr"]
    (trial,) = study.open_round(1, 1)
    assert trial.params["lr"] <= 0.1
    assert trial.params["batch_size"] == LESSON["batch_size"]


def test_a_trial_that_trained_all_its_epochs_is_complete_however_it_compares():
    study = open_study()
    run_study(study, total=ROUND)
    (trial,) = study.open_round(1, ROUND + 1)
    assert [study.should_continue(trial, epoch, 0.0, last_epoch=3) for epoch in (1, 2, 3)] == [True, False, True]


def test_the_best_trial_is_the_complete_one_with_the_highest_last_accuracy():
    study = open_study()
    trials = study.open_round(4, 4)
    assert study.best() is None
    for trial, state, last in zip(
        trials, ["complete", "pruned", "complete", "failed"], [0.5, 0.9, 0.7, 0.8], strict=True
    ):
        study.record_outcome(trial, Outcome(state, "", (0.95, last), 1.0, ""))
    study.close_round(trials)
    assert study.best().number == 2
    assert study.best().value == 0.7


def test_the_best_epoch_is_the_first_of_equals():
    outcome = Outcome("complete", "", (0.1, 0.3, 0.3, 0.2), 1.0, "")
    assert outcome.best_metrics == {"best_val_accuracy": 0.3, "best_epoch": 2}
    assert Outcome("failed", "", (), 1.0, "").best_metrics == {}


def test_a_config_that_was_asked_before_is_recognised():
    Path("two.toml").write_text("[batch_norm]\nchoices=[false, true]")
    study = open_study(space=read_space(Path("two.toml")))
    trials = study.open_round(6, 6)
    twins = [study.find_duplicate(trial) for trial in trials]
    assert twins[0] is None
    for trial, twin in zip(trials, twins, strict=True):
        earlier = [other for other in trials if other.number < trial.number and other.params == trial.params]
        assert twin == (earlier[0].number if earlier else None)
    assert sum(twin is None for twin in twins) <= 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 7}, "study 'study' was made with seed 420, not 7; keep seed as it was, or start another study"),
        ({"settings": {"round": 4}}, "was made with round-size 6, not 4"),
        (RANDOM, 'was made with sampler "tpe", not "random"'),  # it is older than the choice
        ({"settings": {"pruner": "none"}}, 'was made with pruner "median", not "none"'),
    ],
)
def test_a_study_is_not_gone_on_with_under_other_settings(changes, message):
    open_study()
    with pytest.raises(UserError, match=message):
        open_study(**changes)


def test_attributes_of_other_code_are_refused():
    open_study()
    theirs = optuna.load_study(study_name="study", storage=URL)
    theirs.enqueue_trial({"lr": 0.2}, user_attrs={"outcome": "junk"})
    with pytest.raises(UserError, match=r"trial 0 of study 'study' is of other code: its outcome is \"junk\"; start"):
        open_study()
    theirs.set_user_attr("settings", "x")
    with pytest.raises(UserError, match="study 'study' is of other code: its settings are \"x\"; use --study NAME"):
        open_study()


def test_a_study_is_not_gone_on_with_in_another_space():
    Path("other.toml").write_text("[lr]\nlow=0.1\nhigh=1")
    open_study()
    with pytest.raises(UserError, match="was made with space"):
        open_study(space=read_space(Path("other.toml")))


def test_a_storage_that_does_not_answer_is_one_line_without_its_password():
    with pytest.raises(UserError) as refusal:
        open_study("postgresql+psycopg2://me:secret@127.0.0.1:1/none")
    assert "cannot open postgresql+psycopg2://me:***@127.0.0.1:1/none (" in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("directions", [["minimize"], ["maximize", "minimize"]])
def test_a_study_of_other_code_that_wants_something_else_is_refused(directions):
    open_storage(URL)
    optuna.create_study(study_name="study", storage=URL, directions=directions)
    with pytest.raises(UserError, match=f"is of other code: it should {' and '.join(directions)}, and a search should"):
        open_study()


CONDITIONAL = """
[optimizer]
choices = ["sgd", "adam"]
[gamma]
choices = [0.0, 0.5, 0.9]
[nesterov]
choices = [false, true]
[epochs]
choices = [3]
"""


def test_trials_that_differ_in_what_their_optimizer_lacks_are_copies():
    Path("conditional.toml").write_text(CONDITIONAL)
    space = read_space(Path("conditional.toml"))
    study = open_study(space=space)
    copies = 0

    def train(study, trial):
        nonlocal copies
        if trial.params["optimizer"] == "adam":
            assert (trial.params["gamma"], trial.params["nesterov"]) == (0.0, False)
        copies += study.find_duplicate(trial) is not None
        run_trial(study, trial)

    run_rounds(study, train, ROUND, TOTAL)
    distinct = {tuple(trial.params.items()) for trial in study.finished()}
    assert copies == TOTAL - len(distinct) and len(distinct) <= 1 + 3 + 2, (
        "Adam, and SGD with each gamma, or Nesterov's"
    )
    sampled = {trial.params["gamma"] for trial in study.optuna.trials if trial.params["optimizer"] == "adam"}
    assert len(sampled) > 1, "Optuna proposes a gamma for Adam too"
