"""The texts that a command line gives, as values for scikit-learn."""

import re

from onet_gwa.tables import shorten


def _items(name, value):
    """Return ["1", "10"] for "1, 10", "[1, 10]" and [1, 10]; ValueError for an empty item."""
    # papermill makes a number of "10", and YAML may have a list.
    if not isinstance(value, (list, tuple)):
        value = str(value).strip()
        value = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    items = [str(item).strip() for item in (value.split(",") if isinstance(value, str) else value)]
    if not items or "" in items:
        told = shorten(repr(value))
        raise ValueError(f"{name}: {told} has an empty value; write values with commas between them")
    return items


def _once(name, values):
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise ValueError(f"{name}: {twice!r} is given twice; name each value once")
    return values


def parse_C(text):
    """Return the values of C in `text`, such as "1,10", "[1, 10]", 0.5 or the list [1, 10], as a list of floats.

    Raises ValueError for an empty text or item, for a value that is not a positive, finite decimal
    number between 1e-9 and 1e9, and for a value given twice. The limits are ours: at C=1e300 liblinear's
    coefficients are no numbers.
    """
    values = []
    for item in _items("C", text):
        number = re.fullmatch(r"\+?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", item, re.ASCII | re.IGNORECASE)
        if not number or not 1e-9 <= float(item) <= 1e9:
            raise ValueError(
                f"C: {shorten(repr(item))} is not a positive, finite number between 1e-9 and 1e9; "
                'write for example "1, 10" or "0.5"'
            )
        values.append(float(item))
    return _once("C", values)


def parse_penalty(text):
    """Return the penalties in `text`, such as "none, l2", "[l2]" or the list ["l2"], as a list of strings.

    Raises ValueError for an empty text or item, for a penalty other than "none" and "l2", and for
    one given twice.
    """
    values = _items("penalty", text)
    for value in values:
        if value not in ("none", "l2"):
            raise ValueError(
                f"penalty: {shorten(repr(value))} is neither 'none' nor 'l2'; write one of them or \"none, l2\""
            )
    return _once("penalty", values)


def parse_promote(text):
    """Return the rule of `promote`, "better", "not-worse" or "never"; raise ValueError for another text."""
    if text not in ("better", "not-worse", "never"):
        raise ValueError(f"promote: {shorten(repr(text))} is no rule; write 'better', 'not-worse' or 'never'")
    return text


def parse_gate(text):
    """Return the multiple of the baseline that a champion must reach, a float; raise ValueError for no such number."""
    text = str(text).strip()
    if not re.fullmatch(r"\d{1,6}(\.\d*)?", text, re.ASCII):
        raise ValueError(
            f"gate: {shorten(repr(text))} is no number from 0 on; write for example 1.5, or 0 for no gate"
        )
    return float(text)


def check_names(labels, registered_model_name):
    """Raise ValueError for the name of a registered model that cannot be used with this table of labels.

    MLflow refuses an empty name and one with a slash, a colon, a percent sign, a quote or a dot at its ends, and
    its tables hold 256 characters (`mlflow.store.model_registry.dbmodels`); the project's own name is for the 37
    GWAs alone, so that no model of other labels is served in their place.
    """
    name = registered_model_name
    good = isinstance(name, str) and re.fullmatch(r"\w[\w .-]*", name) and not name.endswith((".", " "))
    if not good or len(name) > 256:
        raise ValueError(
            f"registered_model_name: {shorten(repr(name))} is not a name; write up to 256 letters, digits, blanks, "
            "'.', '-' and '_', beginning with a letter or digit"
        )
    if str(labels) != "gwas" and name == "onet-gwa":
        raise ValueError(
            f"registered_model_name: 'onet-gwa' is for the 37 GWAs, and labels is {str(labels)!r}; "
            'give your model a name of its own, such as registered_model_name="my-labels"'
        )


def check_parameters(C, penalty, data, labels, registered_model_name, promote, gate):
    """Raise ValueError or OSError for the first of the notebook's parameters that cannot be used."""
    from onet_gwa.labels import load_labels
    from onet_gwa.split import split, to_X_y
    from onet_gwa.tasks import load_tasks

    parse_C(C)
    parse_penalty(penalty)
    parse_promote(promote)
    parse_gate(gate)
    check_names(labels, registered_model_name)
    table = load_labels(labels)
    split(*to_X_y(load_tasks(data, table), table))
