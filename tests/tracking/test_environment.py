import platform

import torch

from harness.tracking import environment


def test_it_names_python_the_libraries_that_compute_and_the_processor():
    here = environment.environment()
    assert here["python"] == platform.python_version()
    assert here["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert set(here) == {"python", "torch", "torchvision", "numpy", "processor"} and all(here.values())


def test_it_names_what_chooses_other_kernels(monkeypatch):
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    assert environment.environment()["MKL_CBWR"] == "COMPATIBLE"


def test_a_machine_without_proc_still_has_a_processor(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "_PROCESSORS", tmp_path / "none")
    assert environment.environment()["processor"]
