import math

import pytest

from harness.core.config import make_config
from harness.core.defaults import LESSON
from harness.core.errors import UserError

FIELDS = LESSON | {"seed": 420, "dataset": "digits", "split": "search"}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("lr", 0.0, "lr is 0.0: it should be greater than 0; the lesson uses 0.15"),
        ("lr", -1.0, "lr is -1.0: it should be greater than 0"),
        ("lr", math.nan, "lr is nan: it should be a finite number"),
        ("lr", math.inf, "lr is inf: it should be a finite number"),
        ("gamma", 1.0, "gamma is 1.0: it should be less than 1; 0 is no momentum"),
        ("gamma", -0.1, "gamma is -0.1: it should be greater than or equal to 0"),
        ("batch_size", 0, "batch_size is 0: it should be greater than or equal to 1"),
        ("batch_size", 1.5, "batch_size is 1.5: it should be a valid integer"),
        ("epochs", 0, "epochs is 0: it should be greater than or equal to 1; the lesson uses 10"),
        ("batch_norm", 1, "batch_norm is 1: it should be a valid boolean"),
        ("seed", -1, "seed is -1: it should be greater than or equal to 0"),
        ("split", "test", "split is 'test': it should be 'search' or 'lesson'"),
    ],
)
def test_a_value_out_of_bounds_is_named_with_its_bound_and_remedy(field, value, message):
    with pytest.raises(UserError) as refusal:
        make_config(**FIELDS | {field: value})
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_an_unknown_field_is_refused():
    with pytest.raises(UserError, match="momentum"):
        make_config(**FIELDS, momentum=0.9)


def test_the_content_hash_is_that_of_the_fields():
    # printf '{"batch_norm": false, "batch_size": 128, "dataset": "digits", ... "split": "search"}' | sha256sum
    assert make_config(**FIELDS).content_hash == "351ecde2dccef1a5"


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_changes_the_content_hash(field):
    other = {"batch_norm": True, "dataset": "x", "split": "lesson"}.get(field, 0.5 if field in ("lr", "gamma") else 7)
    assert make_config(**FIELDS | {field: other}).content_hash != make_config(**FIELDS).content_hash


def test_a_config_is_frozen():
    config = make_config(**FIELDS)
    with pytest.raises(ValueError, match="frozen"):
        config.lr = 1.0
    assert {config: 1}[make_config(**FIELDS)] == 1
