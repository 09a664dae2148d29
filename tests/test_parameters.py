"""The texts that -P C=... and -P penalty=... may be."""

import numpy as np
import pytest

import helpers


@pytest.mark.parametrize(
    "text, values",
    [
        ("1,10", [1, 10]),
        ("1, 10", [1, 10]),
        ("[1, 10]", [1, 10]),
        (" [ 1 ,10 ] ", [1, 10]),
        ("0.5", [0.5]),
        (10, [10]),
        ("10, 1, .5, 1e-3, 2E2", [10, 1, 0.5, 0.001, 200]),
    ],
)
def test_C(text, values):
    assert helpers.parse_C(text) == values


@pytest.mark.parametrize(
    "text, named",
    [
        ("0", "'0'"),
        ("1, -2", "'-2'"),
        ("nan", "'nan'"),
        ("inf", "'inf'"),
        ("-inf", "'-inf'"),
        ("1e-300", "'1e-300'"),
        ("1e10", "'1e10'"),
        ("1e999", "'1e999'"),
        ("1e-999", "'1e-999'"),
        ("", "''"),
        ("[]", "''"),
        ("1,,10", "'1,,10'"),
        ("1,", "'1,'"),
        ("ten", "'ten'"),
        ("1_0", "'1_0'"),
        ("1 10", "'1 10'"),
        ("[1", "'[1'"),
        ("0x10", "'0x10'"),
        ("١", "'١'"),
        ("1, 1.0", "1.0"),
        ("__import__('os')", "__import__"),
    ],
)
def test_C_refused(text, named):
    with pytest.raises(ValueError, match="^C: ") as error:
        helpers.parse_C(text)
    assert named in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text, values",
    [
        ("none", ["none"]),
        ("l2", ["l2"]),
        ("none, l2", ["none", "l2"]),
        ("l2,none", ["l2", "none"]),
        ("[none, l2]", ["none", "l2"]),
    ],
)
def test_penalty(text, values):
    assert helpers.parse_penalty(text) == values


@pytest.mark.parametrize(
    "text, named", [("l1", "'l1'"), ("", "''"), ("none,", "'none,'"), ("l2, l2", "'l2'")]
)
def test_penalty_refused(text, named):
    with pytest.raises(ValueError, match="^penalty: ") as error:
        helpers.parse_penalty(text)
    assert named in str(error.value)


def test_none_is_one_candidate():
    assert helpers.parse_grid("1, 10", "none, l2") == [1, 10, np.inf]
    assert helpers.parse_grid("1, 10", "l2") == [1, 10]
    assert helpers.parse_grid("1, 10", "none") == [np.inf]
