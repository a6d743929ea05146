"""What tests share: real data, a migrated MLflow store to copy, and the real command run as a user runs it."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing

import pytest
from support.flaky_proxy import FlakyProxy
from support.paths import DATA_DIR, PROJECT

from benchmarks.searches import DIGITS
from benchmarks.servers import free_port, mlflow_server
from harness.data.choice import DataChoice
from harness.data.fashion_mnist import is_present

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not is_present(DATA_DIR):
        missing = pytest.mark.skip(reason=f"no Fashion-MNIST in {DATA_DIR} (HARNESS_DATA_DIR)")
        for item in items:
            if item.get_closest_marker("fashion_mnist"):
                item.add_marker(missing)


@pytest.fixture(autouse=True)
def isolated_cwd(tmp_path, monkeypatch):
    """Each test runs in an empty folder without the settings of the surroundings; what it sets is gone after it."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "HARNESS_DATA_DIR"):
        monkeypatch.setenv(name, "")  # what is not there is not put back: MLflow sets the first for all that follows
        monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """As in a worker: with more threads, sums are taken in another order and differ in their last bits."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright
    from support.browser import CHROMIUM

    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with sync_playwright() as playwright:
        # Without a GPU, WebGL needs its software renderer.
        options = ["--no-sandbox", "--enable-unsafe-swiftshader"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser):
    """`opened(path, window)`: the page of a file, when its figures are drawn."""
    pages = []

    def open_page(path, window=None, **options):
        page = browser.new_page(viewport=window or {"width": 1280, "height": 900}, **options)
        pages.append(page)
        page.goto(path.resolve().as_uri())
        page.wait_for_function(
            "document.querySelectorAll('[data-figure]').length == document.querySelectorAll('.still').length"
        )
        return page

    yield open_page
    for page in pages:
        page.close()


@pytest.fixture(scope="session")
def digits():
    from harness.data.load import load

    return load(DataChoice("digits"))


@pytest.fixture(scope="session")
def breast_cancer():
    from harness.data.load import load

    return load(DataChoice("breast-cancer"))


@pytest.fixture(scope="session")
def fashion_mnist():
    from harness.data.load import load

    return load(DataChoice("fashion-mnist"), DATA_DIR)


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory):
    """An MLflow database that has its tables: making them takes seconds, copying the file does not."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(migrated_store, tmp_path):
    """A database of this test's own, where a command in its folder looks for one; its address.

    The address is absolute: MLflow keeps one connection for each address that it has seen in a process.
    """
    shutil.copy(migrated_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture(scope="session")
def server(tmp_path_factory, migrated_store):
    """The port of a real MLflow server."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(migrated_store, folder / "mlflow.db")
    port = free_port()
    with mlflow_server(folder, port):
        yield port


@pytest.fixture
def proxy(server):
    """A proxy in front of that server."""
    with FlakyProxy(server) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()


@pytest.fixture(scope="session")
def recorded_store(migrated_store, tmp_path_factory):
    """A database that holds the pinned records of tests/records, written once."""
    from support.claim_store import record

    path = tmp_path_factory.mktemp("recorded") / "mlflow.db"
    shutil.copy(migrated_store, path)
    record(f"sqlite:///{path}")
    return path


@pytest.fixture
def recorded(recorded_store, tmp_path):
    """A copy of them of this test's own, as if they had been made there; its address."""
    path = tmp_path / "recorded.db"
    shutil.copy(recorded_store, path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE experiment_tags SET value = ? WHERE key = 'harness.database'", [str(path)])
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def searched(tmp_path_factory, migrated_store):
    """A finished search of 12 trials on digits with two workers: its folder, and what it printed."""
    folder = tmp_path_factory.mktemp("searched")
    done = subprocess.run(
        [sys.executable, "-m", *DIGITS, "--trials", "12", "--workers", "2"],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.fixture
def command(tmp_path, monkeypatch) -> Command:
    """`command("harness.search", "--trials", "1")`: the real command, in this test's folder."""

    def run(module: str, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(PROJECT)} | env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
