"""The texts that a command line gives, as values for scikit-learn."""

import re


def _items(name, text):
    """Split "1, 10" or "[1, 10]" into ["1", "10"]; ValueError for an empty item."""
    # papermill makes a number of "10".
    text = str(text).strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    items = [item.strip() for item in text.split(",")]
    if "" in items:
        raise ValueError(f"{name}: {text!r} has an empty value; write values with commas between them")
    return items


def _once(name, values):
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise ValueError(f"{name}: {twice!r} is given twice; name each value once")
    return values


def parse_C(text):
    """Return the values of C in `text`, such as "1,10", "[1, 10]" or 0.5, as a list of floats.

    Raises ValueError for an empty text or item, for a value that is not a positive, finite decimal
    number, and for a value given twice. The limits are where liblinear still comes to an end.
    """
    values = []
    for item in _items("C", text):
        number = re.fullmatch(r"\+?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", item, re.ASCII | re.IGNORECASE)
        if not number or not 1e-9 <= float(item) <= 1e9:
            raise ValueError(
                f"C: {item!r} is not a positive, finite number between 1e-9 and 1e9; "
                'write for example "1, 10" or "0.5"'
            )
        values.append(float(item))
    return _once("C", values)


def parse_penalty(text):
    """Return the penalties in `text`, such as "none, l2" or "[l2]", as a list of strings.

    Raises ValueError for an empty text or item, for a penalty other than "none" and "l2", and for
    one given twice.
    """
    values = _items("penalty", text)
    for value in values:
        if value not in ("none", "l2"):
            raise ValueError(
                f"penalty: {value!r} is neither 'none' nor 'l2'; write one of them or \"none, l2\""
            )
    return _once("penalty", values)


def check_names(labels, registered_model_name):
    """Raise ValueError for the name of a registered model that cannot be used with this table of labels.

    MLflow refuses an empty name and one with a slash, a colon, a percent sign, a quote or a dot at its ends;
    and the project's own name is for the 37 GWAs alone, so that no model of other labels is served in their place.
    """
    name = str(registered_model_name)
    if not re.fullmatch(r"\w[\w .-]*", name) or name.endswith((".", " ")):
        raise ValueError(
            f"registered_model_name: {name!r} is not a name; write letters, digits, blanks, '.', '-' and '_', "
            "beginning with a letter or digit"
        )
    if str(labels) != "gwas" and name == "onet-gwa":
        raise ValueError(
            f"registered_model_name: 'onet-gwa' is for the 37 GWAs, and labels is {str(labels)!r}; "
            'give your model a name of its own, such as registered_model_name="my-labels"'
        )


def check_parameters(C, penalty, data, labels, registered_model_name):
    """Raise ValueError or OSError for the first of the notebook's parameters that cannot be used."""
    from onet_gwa.labels import load_labels
    from onet_gwa.split import split, to_X_y
    from onet_gwa.tasks import load_tasks

    parse_C(C)
    parse_penalty(penalty)
    check_names(labels, registered_model_name)
    table = load_labels(labels)
    split(*to_X_y(load_tasks(data, table), table))
