"""The description of the interface: written from the model's signature, and true of the running server."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter

import jsonschema
import mlflow
import openapi
import pytest
from conftest import ROOT, make_command, serving
from test_app import entries
from test_serving import TASK, ask

import helpers

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "openapi.json"
# The whole number, 2000, takes two minutes.
REQUESTS = int(os.environ.get("SCHEMATHESIS_REQUESTS", "300"))
CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture(scope="module")
def server(versions, tmp_path_factory):
    """The address of a server of version 1, and the folder of its log."""
    folder = tmp_path_factory.mktemp("server")
    with helpers.server(*serving(folder, LOG="json"), ready="/ping") as address:
        yield address, folder


def test_the_page_is_what_the_code_writes(versions):
    signature = mlflow.models.get_model_info("models:/onet-gwa@champion").signature
    assert PAGE.read_text(encoding="utf-8") == openapi.write(signature)


def test_a_model_without_params(versions):
    """Its example asks for none, and fits."""
    signature = mlflow.models.get_model_info("models:/onet-gwa@champion").signature
    page = openapi.describe(mlflow.models.ModelSignature(signature.inputs, signature.outputs))
    content = page["paths"]["/invocations"]["post"]["requestBody"]["content"]["application/json"]
    jsonschema.validate(content["example"], content["schema"])


def test_the_page_is_written(versions, project):
    """By the command that docs/serving.md names."""
    assert "\npython tools/openapi.py\n" in (ROOT / "docs" / "serving.md").read_text()
    make_command(project)
    (project / "docs").mkdir()
    subprocess.run([sys.executable, "tools/openapi.py"], cwd=project, check=True)
    assert (project / "docs" / "openapi.json").read_bytes() == PAGE.read_bytes()


def test_the_examples_and_their_answers(server):
    """Those of the page, and what it says of reasons and skipped rows."""
    address, _ = server
    post = json.loads(PAGE.read_text())["paths"]["/invocations"]["post"]
    schema = post["responses"]["200"]["content"]["application/json"]["schema"]
    asked = {media: content["example"] for media, content in post["requestBody"]["content"].items()}
    bad = {"inputs": {"Task": [TASK, "5"]}, "params": {"skip_bad": True, "reasons": True}}
    responses = [ask(address, body, media) for media, body in asked.items()] + [ask(address, bad)]
    for response in responses:
        assert response.status_code == 200, response.text
        jsonschema.validate(response.json(), schema)
    answered, _, skipped = (response.json()["predictions"] for response in responses)
    assert answered[0]["reasons"] and skipped[1] == dict.fromkeys(skipped[0]) | {"model": "onet-gwa/1"}
    for body in (asked["application/json"], bad):
        jsonschema.validate(body, post["requestBody"]["content"]["application/json"]["schema"])
    nothing = {"predictions": [{"GWA": None}]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(nothing, schema)


def test_generated_requests(server, tmp_path):
    """No status 5xx comes from our code: of each the traceback, which the server writes on stderr, ends in MLflow's."""
    if not shutil.which("schemathesis"):
        pytest.skip("schemathesis is absent")
    address, folder = server
    before, good = (
        len(entries(folder)),
        {"inputs": [TASK, "Repair a leaking pump."], "params": {"reasons": True}},
    )
    answer = ask(address, good).json()
    command = ["schemathesis", "--no-color", "run", str(PAGE), "--url", f"http://{address}", "--seed", "607"]
    command += ["--max-examples", str(REQUESTS), "--continue-on-failure", "--checks", CHECKS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    lines = entries(folder)[before:]
    print(Counter(line["status"] for line in lines if line["path"] == "/invocations"))
    assert done.returncode == 0, done.stdout
    assert ask(address, good).json() == answer and len(answer["predictions"]) == 2
    assert sum(line["path"] == "/invocations" for line in lines) >= REQUESTS
    last = re.findall(
        r'^  File "([^"]*)", line \d+, in \w+\n(?: {4}.*\n)+(?=\w+Error)', (folder / "err").read_text(), re.M
    )
    failed = [line for line in lines if line["status"] >= 500]
    assert len(last) == len(failed) and {line["status"] for line in failed} <= {500}
    assert not [path for path in last if "/mlflow/" not in path]
