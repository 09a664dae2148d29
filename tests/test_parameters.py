"""The texts that -P C=..., -P penalty=... and the other parameters may be."""

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
        ([1, 10], [1, 10]),
        ((0.5, "1", " 1e-3 "), [0.5, 1, 0.001]),
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
        ("9" * 5000, "'9999"),
        ([], "[]"),
        ([""], "['']"),
        ([1, "1"], "1.0"),
        (["1, 10"], "'1, 10'"),
        ([[1, 10]], "'[1, 10]'"),
        ([1, None], "'None'"),
        (True, "'True'"),
        ([True], "'True'"),
        (None, "'None'"),
        ({"C": 1}, "{'C': 1}"),
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
        (["none", "l2"], ["none", "l2"]),
        (("l2",), ["l2"]),
    ],
)
def test_penalty(text, values):
    assert helpers.parse_penalty(text) == values


@pytest.mark.parametrize(
    "text, named",
    [
        ("l1", "'l1'"),
        ("", "''"),
        ("none,", "'none,'"),
        ("l2, l2", "'l2'"),
        ([], "[]"),
        (["l2", "l2"], "'l2'"),
        (["none, l2"], "'none, l2'"),
        ([["none", "l2"]], "\"['none', 'l2']\""),
        (None, "'None'"),
        ([None], "'None'"),
        (1, "'1'"),
        ("x" * 5000, "'xxx"),
    ],
)
def test_penalty_refused(text, named):
    with pytest.raises(ValueError, match="^penalty: ") as error:
        helpers.parse_penalty(text)
    assert named in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 500


@pytest.mark.parametrize(
    "labels, name",
    [
        ("gwas", "onet-gwa"),
        ("gwas", "my tasks"),
        ("labels.csv", "library-tasks"),
        ("labels.csv", "Aufgaben 2.0_b"),
        ("labels.csv", "ärzte"),
        ("labels.csv", "a" * 256),
    ],
)
def test_names(labels, name):
    helpers.check_names(labels, name)


@pytest.mark.parametrize(
    "name",
    ["", " ", "a/b", "a:b", "a%b", 'a"b', "a.", ".a", "a ", "-a", "a\nb", "a\n", "a\u2028b", "a\0", "🙂"]
    + [None, 2026, ["a"], "a" * 257],
)
def test_names_that_mlflow_or_its_store_refuses(name):
    with pytest.raises(ValueError, match="^registered_model_name: ") as error:
        helpers.check_names("labels.csv", name)
    assert repr(name)[:200] in str(error.value) and "\n" not in str(error.value)


def test_the_projects_own_name_is_for_its_own_labels():
    with pytest.raises(ValueError, match="'onet-gwa' is for the 37 GWAs, and labels is 'labels.csv'; give"):
        helpers.check_names("labels.csv", "onet-gwa")


GOOD = {"C": "1", "penalty": "l2", "data": "sample", "labels": "gwas", "registered_model_name": "onet-gwa"}
GOOD |= {"promote": "better", "gate": "1.5"}


def test_the_parameters_of_the_notebook_together():
    helpers.check_parameters(**GOOD)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"C": "0"}, "^C: "),
        ({"penalty": "l1"}, "^penalty: "),
        ({"promote": "always"}, "^promote: 'always' is no rule; write 'better', 'not-worse' or 'never'"),
        ({"gate": "-1"}, "^gate: '-1' is no number from 0 on; write for example 1.5, or 0 for no gate"),
        ({"gate": "inf"}, "^gate: 'inf' is no number"),
        ({"labels": "nowhere.csv", "registered_model_name": "mine"}, "^labels: 'nowhere.csv' is not a file"),
        ({"data": "nowhere.csv"}, "^data: 'nowhere.csv' does not exist"),
        ({"data": "sub/mine.csv"}, "looked for '.*/sub/mine.csv'"),
        (
            {"labels": "sub/own.csv", "registered_model_name": "own"},
            "^labels: .* .looked for '.*/sub/own.csv'",
        ),
        ({"labels": "own.csv"}, "^registered_model_name: 'onet-gwa' is for the 37 GWAs"),
        (
            {"labels": "own.csv", "registered_model_name": "own"},
            "row 1: GWA '4A4c3' is not one of the 2 codes",
        ),
        ({"data": "few.csv"}, "^data: 1 statements are too few"),
    ],
    ids=str,
)
def test_the_first_parameter_that_cannot_be_used(change, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text("code,name\nx,Ex\ny,Why\n")
    (tmp_path / "few.csv").write_text("Task,GWA\nDrive the snow tractor.,4A3a4\n")
    with pytest.raises((ValueError, OSError), match=said) as error:
        helpers.check_parameters(**GOOD | change)
    assert "\n" not in str(error.value)


def test_promote_and_gate():
    assert [helpers.parse_promote(rule) for rule in ("better", "not-worse", "never")]
    assert [helpers.parse_gate(text) for text in ("1.5", " 2", 0, 1.2, "3.")] == [1.5, 2, 0, 1.2, 3]
