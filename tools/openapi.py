"""Write docs/openapi.json: what the champion's server takes and answers, from the model's signature.

    MODEL=onet-gwa python tools/openapi.py

MODEL has this default. The server's own /openapi.json says of /invocations only that it is there. Exit status: 1, with
one line, when the store cannot be used, or there is no champion with its files.
"""

import json
import os

from serve import ROOT, need_champion

PAGE = ROOT / "docs" / "openapi.json"
TYPES = {"string": "string", "boolean": "boolean", "double": "number", "long": "integer"}
EXAMPLE = "Build and deploy machine learning models for the Bureau of Labor Statistics."


def of_type(column):
    """Return the JSON schema of a column of a signature, a dict with its type."""
    if column["type"] == "array":
        return {"type": "array", "items": of_type(column["items"])}
    return {"type": TYPES[column["type"]]}


def of_object(properties, required=None):
    required = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": required}


def of_list(items):
    return {"type": "array", "items": items}


def question(signature):
    """Return the JSON schema of a request: a table in one of three forms, and parameters."""
    columns = {column["name"]: of_type(column) for column in signature.inputs.to_dict()}
    known = signature.params.to_dict() if signature.params else []
    given = {param["name"]: {**of_type(param), "default": param["default"]} for param in known}
    names, values = {"type": "string", "enum": list(columns)}, {"anyOf": list(columns.values())}
    forms = {
        "dataframe_split": of_object({"columns": of_list(names), "data": of_list(of_list(values))}),
        "dataframe_records": of_list(of_object(columns)),
        "inputs": of_object({name: of_list(column) for name, column in columns.items()}),
    }
    params = {"params": {**of_object(given, []), "additionalProperties": False}}
    return {"oneOf": [of_object({name: form, **params}, [name]) for name, form in forms.items()]}


def answer(signature):
    """Return the JSON schema of an answer: a row for each one asked, with null where a bad one was skipped."""
    row = {column["name"]: of_type(column) for column in signature.outputs.to_dict()}
    lists = {name: {**column, "type": ["array", "null"]} for name, column in row.items() if "items" in column}
    reasons = {**of_list(of_list({"type": "string"})), "type": ["array", "null"]}
    return of_object({"predictions": of_list(of_object({**row, **lists, "reasons": reasons}, list(row)))})


def describe(signature):
    """Return the description of the interface of a model with this signature: OpenAPI 3.1, a dict."""
    [column] = signature.inputs.input_names()
    texts = of_object({"error_code": {"type": "string"}, "message": {"type": "string"}})
    asked = {"dataframe_split": {"columns": [column], "data": [[EXAMPLE]]}}
    if "reasons" in [param.name for param in signature.params or ()]:
        asked["params"] = {"reasons": True}

    def response(description, schema, media="application/json"):
        return {"description": description, "content": {media: {"schema": schema}}}

    invocations = {
        "summary": "Label the rows of a table",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": question(signature), "example": asked},
                "text/csv": {"schema": {"type": "string"}, "example": f'{column}\n"{EXAMPLE}"\n'},
            },
        },
        "responses": {
            "200": response("A row for each row, in the same order", answer(signature)),
            "400": response("What the caller has to change", texts),
            "415": response("Another content type", {"type": "string"}, "text/plain"),
            "500": response(
                "What MLflow cannot read, such as no content type", {"type": "string"}, "text/plain"
            ),
            "504": response("Not ready in time", {"type": "string"}),
        },
    }
    ready = {"summary": "Tell that the model is loaded", "responses": {"200": {"description": "It is"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Labels for task statements", "version": "1.0.0"},
        "paths": {"/invocations": {"post": invocations}, "/ping": {"get": ready}},
    }


def write(signature):
    """Return the text of docs/openapi.json for a model with this signature."""
    return json.dumps(describe(signature), indent=2) + "\n"


def main():
    uri = need_champion("python tools/openapi.py", os.environ.get("MODEL") or "onet-gwa")
    import mlflow

    PAGE.write_text(write(mlflow.models.get_model_info(uri).signature), encoding="utf-8")


if __name__ == "__main__":
    main()
