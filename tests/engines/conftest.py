"""Engines to test, each on real processes: two workers of this machine, and a Ray cluster of two nodes on it."""

import warnings
from contextlib import closing, contextmanager, suppress

import psutil
import pytest
from support.engine_jobs import machine_backend

from harness.engines.pool import Pool

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="session")
def token():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", TOKEN)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        yield


class TwoNodes:
    """A Ray cluster of a head and one more node, with one CPU each."""

    def __init__(self):
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        self._second = self._cluster.add_node(num_cpus=1)
        self._cluster.wait_for_nodes()
        self.address = self._cluster.address

    def lose_a_node(self):
        self._cluster.remove_node(self._second, allow_graceful=False)

    def tasks(self):
        """The processes that carry out a task at this moment."""
        found = []
        for node in self._cluster.list_all_nodes():
            (raylet,) = node.all_processes["raylet"]
            for process in psutil.Process(raylet.process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if "ray::_run_item" in " ".join(process.cmdline()):
                        found.append(process)
        return found

    def close(self):
        self._cluster.shutdown()


@contextmanager
def two_nodes():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own
        with closing(TwoNodes()) as cluster:
            yield cluster


@pytest.fixture(scope="session")
def cluster(token):
    """A cluster that tests share."""
    with two_nodes() as cluster:
        yield cluster


@pytest.fixture
def own_cluster(token):
    """A cluster of this test's own, which may lose a node."""
    with two_nodes() as cluster:
        yield cluster


class LocalEngines:
    """Makes engines on worker processes of this machine."""

    def __init__(self, dataset):
        self._dataset = dataset

    @contextmanager
    def engine(self, workers=2, stacks=True):
        from harness.engines.local import LocalEngine

        backend = machine_backend() if stacks else None
        with closing(LocalEngine(self._dataset, Pool(workers), "cpu", backend)) as engine:
            yield engine

    def busy(self, engine):
        """The processes that train for this engine."""
        return [psutil.Process(worker.process.pid) for worker in engine._pool if worker.open]

    def lost(self, process):
        """What is said of a process that was killed, as a regular expression."""
        return f"worker {process.pid} was killed by SIGKILL"


class RayEngines:
    """Makes engines on a Ray cluster, which this process has joined."""

    def __init__(self, dataset, cluster, joined):
        self._dataset = dataset
        self._cluster = cluster
        self._joined = joined

    @contextmanager
    def engine(self, workers=2, stacks=True):
        from harness.engines.ray import RayEngine

        self._joined.size = workers
        yield RayEngine(self._dataset, self._joined, machine_backend() if stacks else None)

    def busy(self, engine):
        return self._cluster.tasks()

    def lost(self, process):
        return r"task \d+ of the cluster was lost \(\w+\)"


@pytest.fixture(scope="module")
def local_engines(digits):
    return LocalEngines(digits)


@pytest.fixture(scope="module")
def ray_engines(digits, request):
    cluster = request.getfixturevalue("cluster")
    from harness.engines.cluster import Cluster

    with closing(Cluster(cluster.address, 2, 0.0)) as joined:
        yield RayEngines(digits, cluster, joined)


@pytest.fixture(scope="module", params=["local", "ray"])
def engines(request):
    return request.getfixturevalue(f"{request.param}_engines")
