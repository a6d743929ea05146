"""Configs that are tried first: from a CSV file whose columns are checked, or the best of another study."""

import random
from pathlib import Path

import optuna
import pytest
from support.study_helpers import run_rounds

from harness.core.defaults import LESSON
from harness.core.errors import UserError
from harness.core.paths import DEFAULT_SPACE
from harness.studies.first_configs import FirstConfigs, read_configs
from harness.studies.space_file import read_space
from harness.studies.storage import open_storage
from harness.studies.study import Study
from harness.studies.trial import Outcome
from harness.studies.warm_start import warm_start

URL = "sqlite:///optuna.db"
ROUND, TOTAL = 4, 9
TWO = FirstConfigs("--enqueue two.csv", [{"lr": 0.5, "batch_norm": True}, {"gamma": 0.25, "epochs": 3}])


def space():
    return read_space(DEFAULT_SPACE)


def read(text):
    Path("first.csv").write_text(text)
    return read_configs(Path("first.csv"), space())


def open_study(url=URL, name="study"):
    return Study(url, name, space(), 420, {"round": ROUND})


def run_trial(study, trial):
    value = 1 - abs(trial.params["lr"] - 0.2)
    study.record_outcome(trial, Outcome("complete", "", (value,), 1.0, f"run {trial.number}"))


def run_study(study, shuffle=None, total=TOTAL):
    return [trial.params for trial in run_rounds(study, run_trial, ROUND, total, shuffle)]


def test_each_row_is_a_config_and_an_empty_cell_is_sampled():
    assert read("lr,batch_norm,epochs,batch_size\n0.1,true,3,64\n.5, off ,,1024\n1e-3,False,10.0,\n").params == [
        {"lr": 0.1, "batch_norm": True, "epochs": 3, "batch_size": 64},
        {"lr": 0.5, "batch_norm": False, "batch_size": 1024},
        {"lr": 0.001, "batch_norm": False, "epochs": 10},
    ]


def test_the_hyperparameters_of_a_network_go_by_their_own_name():
    Path("net.py").write_text("def net(shape, classes):\n    pass\n")
    Path("space.toml").write_text('network = "net.py:net"\n[network_params.act]\nchoices = ["relu", "gelu"]\n')
    own = read_space(Path("space.toml"))
    for column in ("act", "network_params.act"):
        Path("first.csv").write_text(f"{column}\ngelu\n")
        assert read_configs(Path("first.csv"), own).params == [{"network_params.act": "gelu"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no config: give a line of names"),
        ("lr,gamma\n", "has no config"),
        ("lr,gama\n0.1,0.5\n", "'gama' is not searched; did you mean gamma\\? the search space has lr, gamma"),
        ("lr,gamma\n0.1\n", "line 2: it should have 2 values, as the first line"),
        ("lr,gamma\n0.1,0.2,0.3\n", "line 2: it should have 2 values"),
        ("lr\n0.1\n7\n", "line 3: lr is 7.0; it should be 0.001 to 1 \\(log\\)"),
        ("lr\nfast\n", "line 2: lr is 'fast'; it should be"),
        ("epochs\n2.5\n", "line 2: epochs is 2.5; it should be a whole number, 1 to 10"),
        ("batch_size\n33\n", "line 2: batch_size is '33'; it should be 32, 64, 128, 256, 512, 1024"),
        ("batch_norm\n1\n", "line 2: batch_norm is '1'; it should be off, on"),
        ("lr\nnan\n", "line 2: lr is nan"),
        ("lr,lr\n0.1,0.2\n", "lr,lr names a parameter twice"),
    ],
)
def test_what_is_no_config_of_the_space_is_refused_with_its_line(text, message):
    with pytest.raises(UserError, match=message) as error:
        read(text)
    assert str(error.value).startswith("--enqueue first.csv")


def test_a_file_that_is_not_there_is_one_line():
    with pytest.raises(UserError, match=r"cannot read --enqueue none.csv \(No such file"):
        read_configs(Path("none.csv"), space())


def test_they_follow_the_lessons_setting_and_the_rest_of_each_is_sampled():
    study = open_study()
    study.begin_with(TWO)
    found = run_study(study)
    assert found[0] == LESSON and found[1]["lr"] == 0.5 and found[1]["batch_norm"] is True
    assert (found[2]["gamma"], found[2]["epochs"]) == (0.25, 3) and len(found) == TOTAL


def test_the_search_is_the_same_in_any_order_after_a_stop_at_any_time_and_when_it_grows(monkeypatch):
    whole = open_study("sqlite:///whole.db")
    whole.begin_with(TWO)
    expected = run_study(whole)
    shuffled = open_study("sqlite:///shuffled.db")
    shuffled.begin_with(TWO)
    run_study(shuffled, random.Random(1), total=2)
    assert run_study(open_study("sqlite:///shuffled.db"), random.Random(2)) == expected
    killed = open_study("sqlite:///killed.db")
    monkeypatch.setattr(killed._study, "enqueue", lambda params: [].pop())  # it dies before the first is enqueued
    with pytest.raises(IndexError):
        killed.begin_with(TWO)
    assert run_study(open_study("sqlite:///killed.db")) == expected


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", pytest.param("gp", marks=pytest.mark.slow), "cmaes"])
@pytest.mark.parametrize("writes", [1, 3, 6])
def test_a_kill_while_a_config_is_completed_changes_nothing(monkeypatch, sampler, writes):
    """It dies after some writes to the storage of what was sampled for the first configs."""
    first = FirstConfigs("--enqueue x.csv", [{"gamma": 0.5}] * 5)
    settings = {"round": ROUND, "sampler": sampler}

    def study_at(name):
        return Study(f"sqlite:///{name}.db", "study", space(), 420, settings)

    whole = study_at("whole")
    whole.begin_with(first)
    expected = run_study(whole, total=16)
    killed = study_at("killed")
    killed.begin_with(first)
    storage, left = killed._study._storage, [writes]
    with monkeypatch.context() as patch:
        for method in ("set_trial_param", "set_trial_system_attr", "set_trial_state_values"):
            real = getattr(storage, method)

            def die_at_last(*args, real=real, **more):
                left[0] -= 1
                if left[0] < 0:
                    raise KeyboardInterrupt
                return real(*args, **more)

            patch.setattr(storage, method, die_at_last)
        with pytest.raises(KeyboardInterrupt):
            killed.open_round(ROUND, 16)
    for total in (7, 16):
        resumed = study_at("killed")
        resumed.recover()
        found = run_study(resumed, total=total)
    assert found == expected


def test_a_study_keeps_what_it_began_with():
    study = open_study()
    study.begin_with(TWO)
    run_study(study, total=3)
    again = open_study()
    again.begin_with(TWO)
    with pytest.raises(UserError, match=r"began with --enqueue two.csv, not --enqueue other.csv"):
        again.begin_with(FirstConfigs("--enqueue other.csv", [{"lr": 0.1}]))
    assert len(run_study(open_study())) == TOTAL, "without naming them again"
    run_study(open_study(name="plain"), total=1)
    with pytest.raises(UserError, match=r"study 'plain' has trials already: --enqueue two.csv is for a new study"):
        open_study(name="plain").begin_with(TWO)


def test_the_best_of_another_study_are_tried_first():
    other = open_study(name="other")
    run_study(other, total=8)
    best = sorted(other.finished()[1:], key=lambda trial: -trial.value)[:3]
    first, warnings = warm_start("other:3", URL, "study", space())
    assert first == FirstConfigs("--warm-start other:3", [trial.params for trial in best]) and warnings == []
    study = open_study()
    study.begin_with(first)
    run_study(other, total=12)
    optuna.delete_study(study_name="other", storage=URL)
    again, _ = warm_start("other:3", URL, "study", space())
    study.begin_with(again)
    assert run_study(study)[:4] == [LESSON, *first.params], "whatever became of the other study"


def test_the_lessons_setting_is_not_tried_twice():
    other = open_study(name="other")
    for trial in (trials := other.open_round(ROUND, 4)):
        value = 1.0 if trial.number == 0 else trial.number / 10
        other.record_outcome(trial, Outcome("complete", "", (value,), 1.0, f"run {trial.number}"))
    other.close_round(trials)
    first, _ = warm_start("other:2", URL, "study", space())
    assert first.params == [trials[3].params, trials[2].params]


def test_what_is_outside_this_space_is_left_out_with_a_warning():
    run_study(open_study(name="other"), total=8)
    Path("narrow.toml").write_text("[lr]\nlow = 0.01\nhigh = 0.1\n")
    narrow = read_space(Path("narrow.toml"))
    first, warnings = warm_start("other:8", URL, "study", narrow)
    assert 0 < len(first.params) < 8 and len(first.params) + len(warnings) == 8
    assert all(params.keys() == {"lr"} for params in first.params)
    assert "of 'other' is outside the search space (lr " in warnings[0]
    Path("nowhere.toml").write_text("[hidden]\nchoices = [8, 16]\n")
    with pytest.raises(UserError, match="no config of that study is in this search space"):
        warm_start("other", URL, "study", read_space(Path("nowhere.toml")))


def test_what_the_other_study_had_fixed_is_part_of_its_configs():
    Path("fixed.toml").write_text("[lr]\nlow = 0.1\nhigh = 0.3\n[gamma]\nvalue = 0.9\n")
    other = Study(URL, "other", read_space(Path("fixed.toml")), 420, {"round": ROUND})
    run_study(other, total=4)
    first, _ = warm_start("other:1", URL, "study", space())
    assert first.params[0]["gamma"] == 0.9 and first.params[0]["epochs"] == LESSON["epochs"]


@pytest.mark.parametrize("directions", [["minimize"], ["maximize", "maximize"]])
def test_a_study_that_does_not_maximize_one_value_is_refused(directions):
    study = optuna.create_study(study_name="other", storage=open_storage(URL), directions=directions)
    study.add_trial(optuna.create_trial(params={}, distributions={}, values=[0.5] * len(directions)))
    with pytest.raises(UserError, match="does not maximize one value"):
        warm_start("other", URL, "study", space())


def test_a_study_whose_name_ends_like_a_count_is_found():
    run_study(open_study(name="other:3"), total=2)
    assert warm_start("other:3", URL, "study", space())[0].source == "--warm-start other:3:5"


@pytest.mark.parametrize(
    ("spec", "message"),
    [("none", "has no such study; there are: other"), ("other:0", "K at least 1"), ("other:x", "write STUDY:K")],
)
def test_a_study_that_is_not_there_is_refused(spec, message):
    optuna.create_study(study_name="other", storage=open_storage(URL), direction="maximize")
    with pytest.raises(UserError, match=message):
        warm_start(spec, URL, "study", space())
