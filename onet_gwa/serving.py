"""The model that is served: logged to the run as code, data, signature and requirements."""

import tempfile
from importlib.metadata import version
from pathlib import Path

import onet_gwa_model


def requirements():
    """Return what a served model needs, pinned to what is installed: a list of pip requirements."""
    packages = ["mlflow", "numpy", "pandas", "pyyaml", "scikit-learn", "scipy", "skops"]
    return [f"{package}=={version(package)}" for package in packages]


def log_model(pipeline, labels, example):
    """Log a fitted pipeline to the active run as the model that is served; return MLflow's ModelInfo.

    `labels` is what `load_labels` returns. `example`, a DataFrame (n, 1) with a Task column, goes with the model
    and gives its signature, in which the parameters `reasons` and `skip_bad` are off. The code is
    `onet_gwa_model.py` as it was imported, and the data are those of its `save`, so that nothing has to be
    unpickled. Raises ValueError for a pipeline that was not fitted to the labels.
    """
    import mlflow

    answer = onet_gwa_model.Labeler(pipeline, labels["name"]).predict(example)
    with tempfile.TemporaryDirectory() as parent:
        onet_gwa_model.save(pipeline, labels, f"{parent}/model")
        # The file may have been edited since.
        code = Path(parent, Path(onet_gwa_model.__file__).name)
        code.write_bytes(onet_gwa_model.SOURCE)
        return mlflow.pyfunc.log_model(
            name="model",
            loader_module="onet_gwa_model",
            data_path=f"{parent}/model",
            code_paths=[str(code)],
            signature=mlflow.models.infer_signature(
                example, answer, params={"reasons": False, "skip_bad": False}
            ),
            input_example=example,
            pip_requirements=requirements(),
        )
