from pathlib import Path

import pytest

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.errors import UserError
from harness.core.paths import DEFAULT_SPACE
from harness.studies.space_file import read_space


def space_of(text: str):
    path = Path("space.toml")
    path.write_text(text)
    return read_space(path)


def test_the_default_space_is_the_documented_one():
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    assert read_space(DEFAULT_SPACE).distributions() == {
        "lr": FloatDistribution(1e-3, 1.0, log=True),
        "gamma": FloatDistribution(0.0, 0.99),
        "batch_size": CategoricalDistribution([32, 64, 128, 256, 512, 1024]),
        "epochs": IntDistribution(1, 10),
        "batch_norm": CategoricalDistribution([False, True]),
    }


def test_a_parameter_left_out_keeps_the_lessons_value():
    space = space_of("[lr]\nlow = 0.1\nhigh = 1")
    assert list(space.distributions()) == ["lr"]
    assert space.fixed == {name: LESSON[name] for name in ("gamma", "batch_size", "epochs", "batch_norm")}


def test_every_field_of_a_config_can_be_searched_or_fixed():
    space = space_of(
        "[hidden]\nlow = 16\nhigh = 512\nlog = true\n[standardize]\nchoices = [false, true]\n"
        "[hidden_batch_norm]\nvalue = true\n[gamma]\nvalue = 0.9\n[lr]\nlow = 0.01\nhigh = 1\n"
    )
    assert list(space.searched) == ["lr", "hidden", "standardize"]
    assert space.fixed == {
        "gamma": 0.9, "batch_size": 128, "epochs": 10, "batch_norm": False, "hidden_batch_norm": True,
    }  # fmt: skip
    assert space.distributions()["hidden"].__class__.__name__ == "IntDistribution"
    assert space.lesson == LESSON | {"hidden": 128, "standardize": False, "hidden_batch_norm": False}
    assert space.outside(space.lesson) == ["gamma", "hidden_batch_norm"]
    assert space.text() == (
        "lr 0.01 to 1 · hidden 16 to 512 (log) · standardize off, on · gamma 0.9, fixed · batch_size 128, fixed ·"
        " epochs 10, fixed · batch_norm off, fixed · hidden_batch_norm on, fixed"
    )


def test_a_field_that_a_space_does_not_name_is_not_part_of_its_params():
    space = read_space(DEFAULT_SPACE)
    assert space.fixed == {} and space.lesson == LESSON and space.outside(space.lesson) == []


def test_optimizers_and_schedules_are_searched_by_name():
    space = space_of(
        '[optimizer]\nchoices = ["sgd", "adam"]\n[lr_schedule]\nvalue = "cosine"\n[lr]\nlow = 0.001\nhigh = 1'
        "\n[weight_decay]\nlow = 0\nhigh = 0.1\n[warmup_epochs]\nlow = 0\nhigh = 3"
    )
    assert space.distributions()["optimizer"].choices == ("sgd", "adam")
    assert space.fixed["lr_schedule"] == "cosine" and space.outside(space.lesson) == ["lr_schedule"]
    best = {"lr": 0.1, "optimizer": "sgd", "weight_decay": 0.0, "warmup_epochs": 3}
    assert space.at_edge(best) == {"warmup_epochs": "high"}
    assert "optimizer sgd, adam" in space.text() and "lr_schedule cosine, fixed" in space.text()


def test_what_an_optimizer_does_not_have_is_off_in_its_trials():
    space = space_of(
        '[optimizer]\nchoices = ["sgd", "adam", "rmsprop"]\n[gamma]\nlow = 0.5\nhigh = 0.9\n[lr]\nlow = 0.001\nhigh = 1'
        "\n[nesterov]\nchoices = [false, true]"
    )
    proposed = {"lr": 0.1, "gamma": 0.5, "optimizer": "sgd", "nesterov": True}
    assert space.effective(proposed) == proposed and list(space.effective(proposed)) == list(proposed)
    adam = space.effective(proposed | {"optimizer": "adam"})
    assert adam == {"lr": 0.1, "gamma": 0.0, "optimizer": "adam", "nesterov": False}
    assert space.effective(proposed | {"optimizer": "rmsprop"})["gamma"] == 0.5
    assert not space.effective(proposed | {"optimizer": "rmsprop"})["nesterov"]
    assert space.at_edge(proposed) == {"gamma": "low"} and space.at_edge(adam) == {}
    assert {example["optimizer"] for example in space.network_examples()} == {"sgd"}


def test_nesterov_needs_a_momentum():
    space = space_of("[gamma]\nlow = 0\nhigh = 0.9\n[nesterov]\nchoices = [false, true]")
    assert space.effective({"gamma": 0.0, "nesterov": True}) == {"gamma": 0.0, "nesterov": False}
    assert space.effective({"gamma": 0.1, "nesterov": True})["nesterov"]


def test_a_space_in_words():
    space = space_of(
        "[lr]\nlow = 0.001\nhigh = 1\nlog = true\n[gamma]\nlow = 0\nhigh = 0.99\n[batch_size]\nchoices = [32, 64]"
    )
    words = "lr 0.001 to 1 (log) · gamma 0 to 0.99 · batch_size 32, 64 · epochs 10, fixed · batch_norm off, fixed"
    assert space.text() == words
    assert space_of("[batch_norm]\nchoices = [false, true]").text().startswith("batch_norm off, on · lr 0.15, fixed")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[learning_rate]\nlow=1\nhigh=2", "'learning_rate' is not a parameter of the search; known are lr, gamma"),
        ("[hidden]\nlow=0\nhigh=64", "hidden is 0: it should be greater than or equal to 1; the lesson uses 128"),
        ("[hidden]\nlow=1.5\nhigh=64", "hidden is 1.5"),
        ("[standardize]\nlow=0\nhigh=1", "[standardize] lacks choices: give choices, as [false, true], or value"),
        ("[standardize]\nvalue=1", "standardize is 1: it should be a valid boolean"),
        (
            "[gamma]\nvalue=0.9",
            "has nothing to search: give at least one parameter low and high, or choices; known are lr, gamma",
        ),
        ("[gamma]\nvalue=0.9\nlow=0", "has a field 'low' that does not fit: give low, high and log, choices alone"),
        ("[gamma]\nvalue=1.5\n[lr]\nlow=0.1\nhigh=1", "gamma is 1.5: it should be less than 1"),
        (
            "[optimizer]\nchoices=['sgd', 'lion']",
            "optimizer is 'lion': it should be 'sgd', 'adam', 'adamw' or 'rmsprop'",
        ),
        ("[optimizer]\nlow=1\nhigh=2", '[optimizer] lacks choices: give choices, as ["sgd", "adam"], or value'),
        (
            "[optimizer]\nchoices=['adam', 'adamw']\n[gamma]\nlow=0\nhigh=0.9\n[weight_decay]\nvalue=0.01",
            "gamma is 0.9: adam has momentum of its own",
        ),
        (
            "[optimizer]\nvalue='adam'\n[gamma]\nlow=0\nhigh=0.9",
            "gamma is 0.9: adam has momentum of its own",
        ),
        (
            "[nesterov]\nvalue=true\n[gamma]\nlow=0\nhigh=0.9",
            "nesterov is True: it should go with sgd and a gamma above 0",
        ),
        ("[nesterov]\nchoices=[false, true]", "nesterov is True: it should go with sgd and a gamma above 0"),
        (
            "[warmup_epochs]\nlow=0\nhigh=5\n[epochs]\nlow=3\nhigh=9",
            "warmup_epochs is 5: it should be less than epochs",
        ),
        ("[hiden]\nvalue=1", "did you mean hidden?"),
        ("[batchsize]\nlow=1\nhigh=2", "did you mean batch_size?"),
        ("[lr]\nlow=1\nhigh=0.1", "[lr] low is 1.0 and high is 0.1: low should be less than high"),
        ("[lr]\nlow=1\nhigh=1", "low should be less than high"),
        ("[lr]\nlow=0\nhigh=1\nlog=true", "[lr] low is 0.0: a logarithmic range should start above 0"),
        ("[lr]\nlow=0\nhigh=1", "lr is 0.0: it should be greater than 0"),
        ("[lr]\nlow=nan\nhigh=1", "low should be less than high"),
        ("[lr]\nlow=0.1\nhigh=inf", "lr is inf: it should be a finite number"),
        ("[lr]\nlow='a'\nhigh=1", "[lr] low is 'a': it should be a valid number"),
        ("[lr]\nlow=0.1", "[lr] lacks high: give low and high, choices, or value"),
        ("[lr]\nlow=0.1\nhigh=1\nstep=1", "[lr] has a field 'step' that does not fit"),
        ("[gamma]\nlow=0\nhigh=1", "gamma is 1.0: it should be less than 1"),
        ("[gamma]\nlow=-0.5\nhigh=0.5", "gamma is -0.5: it should be greater than or equal to 0"),
        ("[batch_size]\nchoices=[]", "choices is []: it should name at least one value"),
        ("[batch_size]\nchoices=[0]", "batch_size is 0: it should be greater than or equal to 1"),
        ("[batch_size]\nchoices=[8, 8]", "it should not name a value twice"),
        (
            "[batch_size]\nchoices=[[8]]",
            "[batch_size] choices holds [8]: each should be a number, true or false, or a name",
        ),
        (
            "[batch_norm]\nchoices=['yes']",
            "batch_norm is 'yes': it should be a valid boolean",
        ),
        ("[batch_size]\nchoices=[8]\nlow=1", "[batch_size] has a field 'low' that does not fit"),
        ("[epochs]\nlow=0\nhigh=3", "epochs is 0: it should be greater than or equal to 1"),
        ("[epochs]\nlow=0.5\nhigh=3", "epochs is 0.5: it should be a valid integer"),
        ("[batch_norm]\nchoices=[0, 1]", "batch_norm is 0: it should be a valid boolean"),
        ("[batch_norm]\nlow=0\nhigh=1", "[batch_norm] lacks choices: give choices, as [false, true]"),
        ("lr = 3", "lr is 3: write a table, [lr]"),
        ("[lr", "is not valid TOML"),
        ("", "has nothing to search"),
    ],
)
def test_a_wrong_space_is_refused_in_one_line_that_names_the_file(text, message):
    with pytest.raises(UserError) as refusal:
        space_of(text)
    assert message in str(refusal.value)
    assert str(refusal.value).startswith("space.toml")
    assert "\n" not in str(refusal.value)


def test_what_is_no_small_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="/dev/zero is not valid TOML: it is a device or a pipe, not a file"):
        read_space(Path("/dev/zero"))
    (tmp_path / "huge.toml").write_bytes(b"#" * 2**21)
    with pytest.raises(UserError, match=r"huge.toml is not valid TOML: it has 2,097,152 bytes: it should have at most"):
        read_space(tmp_path / "huge.toml")


def test_a_missing_file_and_a_folder_are_refused():
    for path in (Path("nowhere.toml"), Path()):
        with pytest.raises(UserError, match="cannot read the search space"):
            read_space(path)


@pytest.mark.parametrize(
    ("params", "edges"),
    [
        ({}, {}),
        ({"lr": 0.99}, {"lr": "high"}),  # 0.99 lies at 99.85 % of the way from 0.001 to 1 on a log scale
        ({"lr": 0.8}, {}),  # 96.8 % of the way
        ({"lr": 0.0011}, {"lr": "low"}),
        ({"gamma": 0.0}, {}),  # no momentum lies below 0
        ({"gamma": 0.98}, {"gamma": "high"}),
        ({"batch_size": 1024}, {"batch_size": "high"}),
        ({"batch_size": 32}, {"batch_size": "low"}),
        ({"epochs": 10}, {"epochs": "high"}),
        ({"epochs": 1}, {}),  # fewer than one is none
        ({"batch_norm": True}, {}),
    ],
)
def test_the_edge_of_a_range_that_could_be_widened_is_noticed(params, edges):
    inside = {"lr": 0.03, "gamma": 0.5, "batch_size": 128, "epochs": 5, "batch_norm": False}
    assert read_space(DEFAULT_SPACE).at_edge(inside | params) == edges


def test_the_lessons_setting_is_inside_the_default_space_and_what_excludes_it_is_named():
    assert read_space(DEFAULT_SPACE).outside(LESSON) == []
    narrow = space_of("[lr]\nlow=0.01\nhigh=0.1\n[batch_size]\nchoices=[32]\n[epochs]\nchoices=[10]")
    assert narrow.outside(LESSON) == ["lr", "batch_size"]


def test_the_largest_batch_is_that_of_a_range_of_choices_or_of_the_fixed_value():
    assert space_of("[batch_size]\nlow=8\nhigh=300").largest_batch() == 300
    assert space_of("[batch_size]\nchoices=[8, 99, 16]").largest_batch() == 99
    assert space_of("[lr]\nlow=0.1\nhigh=1").largest_batch() == 128


def test_batches_that_are_too_large_can_be_left_out():
    space = read_space(DEFAULT_SPACE)
    assert space.with_batches_up_to(300).largest_batch() == 256
    assert space.with_batches_up_to(1024) == space
    assert space.with_batches_up_to(31) == space, "nothing would be left"


OWN = 'network = "net.py:small"\n[lr]\nlow = 0.01\nhigh = 1\n'


@pytest.fixture
def net():
    Path("net.py").write_text("def small(shape, classes, **params):\n    pass\n")


def test_a_network_of_ones_own_brings_its_hyperparameters(net):
    space = space_of(
        OWN + "[network_params.width]\nlow = 4\nhigh = 16\n[network_params.share]\nlow = 0\nhigh = 0.5\n"
        '[network_params.act]\nchoices = ["relu", "gelu"]\n[network_params.depth]\nvalue = 2\n'
    )
    assert space.network.spec == "net.py:small"
    assert [str(one).partition("(")[0] for one in space.distributions().values()] == [
        "FloatDistribution", "IntDistribution", "FloatDistribution", "CategoricalDistribution",
    ]  # fmt: skip
    assert space.fixed["network_params.depth"] == 2 and space.lesson_outside == ["network"]
    own = ["network_params.act", "network_params.depth", "network_params.share", "network_params.width"]
    assert space.names == [*LESSON, *own]
    assert space.text().startswith(
        "network net.py:small · lr 0.01 to 1 · width 4 to 16 · share 0 to 0.5 · act relu, gelu"
    )
    assert "network" not in space.model_dump(), "it is a setting of its own"
    best = {"lr": 0.1, "network_params.width": 4, "network_params.share": 0.0, "network_params.act": "relu"}
    assert space.at_edge(best) == {"network_params.width": "low"}, "a share of 0 cannot be widened"


def test_a_network_is_tried_with_each_choice_and_each_end_of_its_hyperparameters(net):
    space = space_of(OWN + "[network_params.width]\nlow = 4\nhigh = 16\n[network_params.depth]\nchoices = [1, 2, 3]\n")
    tried = [(one["network_params.width"], one["network_params.depth"]) for one in space.network_examples()]
    assert tried == [(4, 1), (16, 1), (4, 2), (4, 3)]
    assert all(one.keys() >= LESSON.keys() for one in space.network_examples())


@pytest.mark.parametrize(
    "text",
    [
        '[optimizer]\nvalue = "adamw"\n[weight_decay]\nlow = 0.01\nhigh = 0.1\n',
        "[nesterov]\nvalue = true\n[gamma]\nchoices = [0.8, 0.9]\n",
        "[warmup_epochs]\nvalue = 12\n[epochs]\nlow = 15\nhigh = 20\n",
    ],
)
def test_a_network_is_tried_with_settings_that_the_space_holds(net, text):
    space = space_of(OWN + text + "[batch_size]\nchoices = [32, 64]\n")
    examples = space.network_examples()
    assert [one["batch_size"] for one in examples] == [32, 64]
    for params in examples:
        make_config(**params, seed=1, dataset="digits", split="search", network=space.network)


def test_choices_of_texts_and_numbers_have_no_edge(net):
    space = space_of(OWN + '[network_params.k]\nchoices = [1, 2, "auto"]\n')
    for value in (1, 2, "auto"):
        assert space.at_edge({"lr": 0.1, "network_params.k": value}) == {}


def test_a_grid_of_too_many_points_is_refused(net):
    with pytest.raises(UserError, match="the grid has 20,000 points; it should have at most 10,000"):
        space_of("[epochs]\nlow = 1\nhigh = 100\n[hidden]\nlow = 1\nhigh = 200\n").grid()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OWN + "[network_params.share]\nchoices = [0.5, inf]", r"\[network_params.share\] holds inf: it should"),
        ("network = 3\n[lr]\nlow=0.1\nhigh=1", "network is 3: write network"),
        ("[network]\nvalue = 3\n[lr]\nlow=0.1\nhigh=1", "write network = .*, above the first table"),
        ('network = "none.py:small"\n[lr]\nlow=0.1\nhigh=1', "cannot read none.py"),
        ("[network_params.width]\nchoices=[1, 2]", "network_params needs a network of your own"),
        (OWN + "[network_params]\nwidth = 3", "network_params.width is 3: write a table"),
        ('network_params = 3\n' + OWN, "network_params is 3: write a table for each"),
        (OWN + "[hidden]\nvalue = 3", r"\[hidden\] is of the lesson's network, and network is net.py:small"),
        (OWN + "[network_params.lr]\nvalue = 3", "'lr' means something else"),
        (OWN + "[network_params.width]\nlow = 3", r"\[network_params.width\] lacks high"),
    ],
)  # fmt: skip
def test_a_wrong_network_is_refused_in_one_line_that_names_the_file(net, text, message):
    with pytest.raises(UserError, match=message) as error:
        space_of(text)
    assert str(error.value).startswith("space.toml")
