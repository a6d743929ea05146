"""A network's file: read once, known by its text, and refused in one line."""

import pickle

import pytest

from harness.core.config import RunConfig, make_config, parse_params
from harness.core.defaults import LESSON
from harness.core.errors import UserError
from harness.core.network import parse_scalar, quoted, read_network

TEXT = "from torch import nn\n\n\ndef small(shape, classes, width=4):\n    return nn.Flatten()\n"


def network_of(folder, text=TEXT, file="net.py"):
    (folder / file).write_text(text, encoding="utf-8")
    return read_network(f"{file}:small", folder)


def config_of(network, **fields):
    return make_config(**LESSON | fields, seed=7, dataset="digits", split="search", network=network)


def test_it_is_its_text_and_its_name_wherever_the_file_lies(tmp_path):
    (tmp_path / "deeper").mkdir()
    here, there = network_of(tmp_path), network_of(tmp_path / "deeper")
    assert here == there and (here.file, here.name) == ("net.py", "small") and here.path != there.path
    assert config_of(here).content_hash == config_of(there).content_hash
    assert config_of(here).content_hash != config_of(None).content_hash
    changed = network_of(tmp_path, TEXT + "\n")
    assert changed != here and config_of(changed).content_hash != config_of(here).content_hash


def test_its_text_travels_with_a_config_and_is_not_among_the_params(tmp_path):
    config = config_of(network_of(tmp_path), **{"network_params.width": 8})
    assert pickle.loads(pickle.dumps(config)).network.text == TEXT
    params = config.params()
    assert (params["network"], params["network_params.width"]) == ("net.py:small", 8)
    assert params["network_sha256"] == config.network.sha256 and TEXT not in params.values()
    assert "hidden" not in params, "the lesson's network is not there"


@pytest.mark.parametrize("value", [True, 3, 0.1, 1e-300, "gelu", "3", "True", "'3'", "", "None", "1e3"])
def test_a_hyperparameter_is_read_back_from_mlflow_as_it_was(tmp_path, value):
    assert parse_scalar(str(quoted(value))) == value and type(parse_scalar(str(quoted(value)))) is type(value)
    config = config_of(network_of(tmp_path), **{"network_params.width": value, "network_params.act": "relu"})
    read = parse_params({name: str(one) for name, one in config.params().items()})
    assert read == config and read.content_hash == config.content_hash
    assert read.network.with_text(TEXT).text == TEXT
    with pytest.raises(ValueError, match="SHA-256"):
        read.network.with_text(TEXT + "#")


def test_a_config_of_the_lessons_network_is_read_back_too():
    config = config_of(None, lr=0.1, batch_norm=True)
    assert parse_params({name: str(one) for name, one in config.params().items()}) == config
    assert isinstance(config, RunConfig) and "network" not in config.params()


def test_an_installed_package_may_be_imported_whatever_folders_are_called(tmp_path):
    (tmp_path / "torch").mkdir()
    assert network_of(tmp_path).text == TEXT


@pytest.mark.parametrize(
    ("spec", "text", "message"),
    [
        ("net.py", TEXT, "it should name a Python file and a callable in it"),
        ("net.txt:small", TEXT, "it should name a Python file and a callable in it"),
        ("net.py:not a name", TEXT, "it should name a Python file and a callable in it"),
        ("none.py:small", TEXT, "cannot read .*none.py"),
        ("net.py:small", "def small(:\n", r"net.py, line 1: invalid syntax"),
        ("net.py:small", "x = 1\nimport layers\n", "line 2 imports layers, a file of your own, and only the text"),
        ("net.py:small", "from layers.more import A\n", "line 1 imports layers"),
        ("net.py:small", "from . import layers\n", "line 1 has a relative import"),
        ("net.py:small", "from pack.more import A\n", "line 1 imports pack, a file of your own"),
        ("net.py:small", "from bare import A\n", "line 1 imports bare, a file of your own"),
        ("deeper/net.py:small", "from deeper.more import A\n", "line 1 imports deeper, a file of your own"),
        ("net.py:small", "\0", "null bytes"),
    ],
)
def test_what_cannot_be_recorded_is_refused_in_one_line(tmp_path, spec, text, message):
    (tmp_path / "layers.py").write_text("A = 1\n")
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    for folder in ("bare", "deeper", "torch"):  # the last one is no package, and torch is installed
        (tmp_path / folder).mkdir()
    for path in (tmp_path / "net.py", tmp_path / "deeper" / "net.py"):
        path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read_network(spec, tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden": 64}, "hidden is 64: it is"),
        ({"hidden_batch_norm": True}, "hidden_batch_norm is True"),
        ({"network_params.lr": 1}, "'lr' means something else in every config"),
        ({"network_params.shape": 1}, "'shape' means something else"),
        ({"network_params.a b": 1}, "'a b' is no name"),
    ],
)
def test_a_field_that_does_not_go_with_a_network_is_refused(tmp_path, fields, message):
    with pytest.raises(UserError, match=message):
        config_of(network_of(tmp_path), **fields)
    assert config_of(network_of(tmp_path), **{"network_params.hidden": 64}).network_params == (("hidden", 64),)


def test_hyperparameters_need_their_network():
    with pytest.raises(UserError, match=r"network_params.width needs network, a network of your own"):
        config_of(None, **{"network_params.width": 8})
