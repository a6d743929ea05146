"""The files of deploy/: what can be said of them without Docker, Kubernetes and Slurm."""

import os
import re
import stat
import subprocess
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from support.paths import PROJECT

DEPLOY = PROJECT / "deploy"
FILES = sorted(path for path in DEPLOY.iterdir() if path.is_file())
SCRIPTS = sorted(DEPLOY.glob("*.sh"))
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in FILES}
DOCUMENTS = {name: list(yaml.safe_load_all(text)) for name, text in TEXTS.items() if name.endswith(".yaml")}
COMPOSE = DOCUMENTS["compose.yaml"][0]
SERVICES = COMPOSE["services"]
VERSION = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
IMAGE = f"lesson11-harness:{VERSION}"
OURS = sorted(name for name, service in SERVICES.items() if service["image"].startswith("lesson11-"))
RAY_NODES = ["ray-head", "ray-worker", "search", "claims"]
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "RAY_USAGE_STATS_ENABLED": "0"}
SOUNDS_SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|_KEY")
HOSTS = {"mlflow", "127.0.0.1", "localhost", "HOST"}


def resources(kind: str) -> list[dict[str, Any]]:
    return [document for document in DOCUMENTS["kuberay.yaml"] if document["kind"] == kind]


def pods() -> list[dict[str, Any]]:
    spec = resources("RayCluster")[0]["spec"]
    return [group["template"]["spec"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]


def containers() -> list[dict[str, Any]]:
    return [container for pod in pods() for container in pod["containers"]]


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a document, wherever it stands."""
    if isinstance(tree, dict):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(child)


def run(*command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)


def secrets_made() -> set[str]:
    """The names that secrets.sh makes, read from it."""
    return set(re.search(r"^for name in (.+); do$", TEXTS["secrets.sh"], re.M)[1].split())


def copied() -> set[str]:
    """What the Dockerfile takes from the project's folder."""
    lines = [line.split()[1:-1] for line in TEXTS["Dockerfile"].splitlines() if line.startswith("COPY ")]
    return {source for line in lines for source in line if not source.startswith("--")}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_one(script):
    assert run("bash", "-n", script).stderr == ""
    assert os.access(script, os.X_OK)
    assert TEXTS[script.name].startswith("#!")


def test_the_kinds_of_kubernetes_are_those_that_kuberay_knows():
    versions = {(document["apiVersion"], document["kind"]) for document in DOCUMENTS["kuberay.yaml"]}
    assert versions == {("v1", "PersistentVolumeClaim"), ("ray.io/v1", "RayCluster"), ("ray.io/v1", "RayJob")}


@pytest.mark.parametrize("name", TEXTS)
def test_no_address_holds_a_password(name):
    assert re.findall(r"\w+://[^\s/:@]+:[^\s/@]+@", TEXTS[name]) == []


@pytest.mark.parametrize("name", TEXTS)
def test_no_file_names_a_registry(name):
    assert set(re.findall(r"https?://([\w.-]+)", TEXTS[name])) <= HOSTS
    assert (
        re.findall(r"index-url|trusted-host|find-links|\w+\.(?:io|org|com)/", TEXTS[name].replace("ray.io/", "")) == []
    )


def test_a_secret_comes_from_a_file_or_a_kubernetes_secret():
    asked = {}
    for name, service in SERVICES.items():
        for variable, value in service["environment"].items():
            if SOUNDS_SECRET.search(variable):
                assert variable.endswith(("_FILE", "_PATH")), (name, variable)
                assert value == f"/run/secrets/{value.rpartition('/')[2]}"
                assert value.rpartition("/")[2] in service["secrets"]
                asked[name] = value
    assert set(asked) == set(SERVICES)
    variables = [variable for document in DOCUMENTS["kuberay.yaml"] for node in nodes(document)
                 for variable in node.get("env", ())]  # fmt: skip
    secret = [variable for variable in variables if SOUNDS_SECRET.search(variable["name"])]
    assert {variable["name"] for variable in secret} == {"MLFLOW_TRACKING_PASSWORD", "PGPASSWORD"}
    assert not any("value" in variable for variable in secret)


def test_every_secret_is_a_file_that_secrets_sh_makes():
    assert set(COMPOSE["secrets"]) == secrets_made()
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"secrets/{name}"}
    assert "/secrets/" in TEXTS[".gitignore"].split()
    assert not (secrets_made() | {"deploy", "deploy/secrets"}) & copied()


def test_the_readme_s_command_makes_what_kubernetes_asks_for():
    made = set(re.findall(r"--from-file=([\w-]+)=", TEXTS["README.md"]))
    asked = {node["secretKeyRef"]["key"] for document in DOCUMENTS["kuberay.yaml"] for node in nodes(document)
             if "secretKeyRef" in node}  # fmt: skip
    assert made == asked | {"auth_token"}  # which KubeRay itself asks for


@pytest.mark.parametrize("name", OURS)
def test_a_service_sends_no_statistics_and_asks_for_a_token(name):
    environment = SERVICES[name]["environment"]
    assert QUIET.items() <= environment.items()
    assert environment["RAY_AUTH_MODE"] == "token"
    assert ("RAY_AUTH_TOKEN_PATH" in environment) == (name in RAY_NODES)


def test_kubernetes_sends_no_statistics_and_asks_for_a_token():
    for container in containers():
        assert QUIET.items() <= {variable["name"]: variable.get("value") for variable in container["env"]}.items()
    (cluster,) = resources("RayCluster")
    assert cluster["spec"]["authOptions"] == {"mode": "token", "secretName": "lesson11"}
    assert {job["spec"]["clusterSelector"]["ray.io/cluster"] for job in resources("RayJob")} == {
        cluster["metadata"]["name"]
    }


@pytest.mark.parametrize("name", ["Dockerfile", "slurm.sh"])
def test_the_image_and_slurm_send_no_statistics_and_ask_for_a_token(name):
    for variable, value in {**QUIET, "RAY_AUTH_MODE": "token"}.items():
        assert re.search(rf"^(?:ENV|export| +).*\b{variable}={value}\b", TEXTS[name], re.M), variable


def test_the_image_has_one_name():
    assert {SERVICES[name]["image"] for name in OURS} == {IMAGE}
    assert {container["image"] for container in containers()} == {IMAGE}
    assert set(re.findall(r"lesson11-harness:[\w.]+", "".join(TEXTS.values()))) == {IMAGE}
    assert set(SERVICES) - set(OURS) == {"postgres"}
    assert re.fullmatch(r"postgres:\d+", SERVICES["postgres"]["image"])
    assert re.findall(r"^FROM (.+)$", TEXTS["Dockerfile"], re.M) == ["python:3.12-slim"]


def test_what_compose_mounts_is_there():
    mounted = [volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())
               if isinstance(volume, str)]  # fmt: skip
    files = {source for source in mounted if source.startswith(".")}
    assert files == {"./postgres.sql", "./mlflow-auth.ini"}
    assert all((DEPLOY / source).is_file() for source in files)
    assert set(mounted) - files == set(COMPOSE["volumes"])


def test_what_the_image_is_built_from_is_there():
    (build,) = [service["build"] for service in SERVICES.values() if "build" in service]
    folder = (DEPLOY / build["context"]).resolve()
    assert folder == PROJECT.resolve()
    assert folder / build["dockerfile"] == DEPLOY / "Dockerfile"
    assert all((folder / source).exists() for source in copied())
    allowed = {line[1:] for line in TEXTS["Dockerfile.dockerignore"].splitlines() if line.startswith("!")}
    assert allowed == copied()
    entries = re.findall(r"/app/(deploy/[\w.]+)", TEXTS["Dockerfile"] + TEXTS["compose.yaml"])
    assert set(entries) == {"deploy/entry.sh", "deploy/driver.sh"} <= copied()


def test_our_own_image_is_never_asked_of_a_registry():
    assert {name: SERVICES[name].get("pull_policy") for name in OURS} == dict.fromkeys(OURS, "never")


def test_only_mlflow_is_reached_from_outside_and_only_on_this_machine():
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "mlflow": ["127.0.0.1:5000:5000"]
    }
    assert {name for name, service in SERVICES.items() if "outside" in service["networks"]} == {"mlflow"}
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert "--app-name=basic-auth" in SERVICES["mlflow"]["command"]
    (hosts,) = [part for part in SERVICES["mlflow"]["command"] if part.startswith("--allowed-hosts=")]
    assert "*" not in hosts


def test_a_service_that_others_wait_for_says_when_it_is_ready():
    awaited = {name for service in SERVICES.values() for name in service.get("depends_on", ())}
    assert awaited == {"postgres", "mlflow", "ray-head", "ray-worker"}
    assert awaited <= {name for name, service in SERVICES.items() if "healthcheck" in service}
    conditions = [how for service in SERVICES.values() for how in service.get("depends_on", {}).values()]
    assert all(how == {"condition": "service_healthy"} for how in conditions)


def test_every_database_that_is_asked_for_is_made():
    made = dict(re.findall(r"^CREATE DATABASE (\w+) OWNER (\w+);$", TEXTS["postgres.sql"], re.M))
    texts = [TEXTS[name] for name in ("compose.yaml", "kuberay.yaml", "mlflow-auth.ini")]
    asked = {pair for text in texts for pair in re.findall(r"psycopg2://(\w+)@postgres/(\w+)", text)}
    assert asked == {(owner, database) for database, owner in made.items()}
    assert set(re.findall(r"^CREATE ROLE (\w+)", TEXTS["postgres.sql"], re.M)) == set(made.values())


def test_secrets_are_made_once_in_a_folder_for_nobody_else(tmp_path):
    folder = tmp_path / "secrets"
    assert run("sh", DEPLOY / "secrets.sh", folder).returncode == 0
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(made) == secrets_made()
    assert len(set(made.values())) == len(made)
    assert all(re.fullmatch("[0-9a-f]{64}", secret) for secret in made.values())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert run("sh", DEPLOY / "secrets.sh", folder).returncode == 0
    assert {path.name: path.read_text() for path in folder.iterdir()} == made


def test_the_entry_point_hands_secrets_to_the_command_alone(tmp_path):
    file = tmp_path / "password"
    file.write_text("p$w `x` 'y'\n")
    asked = "import os; print(os.environ['PGPASSWORD'], os.environ.get('MLFLOW_TRACKING_PASSWORD'))"
    done = run(DEPLOY / "entry.sh", "python3", "-c", asked, PGPASSWORD_FILE=str(file))
    assert done.stdout == "p$w `x` 'y' None\n"


def test_the_entry_point_refuses_an_empty_secret(tmp_path):
    file = tmp_path / "password"
    file.touch()
    done = run(DEPLOY / "entry.sh", "echo", "ran", PGPASSWORD_FILE=str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {file}, which PGPASSWORD_FILE names, is empty: run deploy/secrets.sh\n"
    assert run(DEPLOY / "entry.sh", "echo", "ran", PGPASSWORD_FILE=str(tmp_path / "none")).stdout == ""
