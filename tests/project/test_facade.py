"""What people import from `harness` and `analysis`, and what `python -m` lists."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from support.paths import PROJECT

import analysis
import harness
from harness.cli.command import command_line, this_command
from harness.cli.commands import COMMANDS


def readme_example():
    blocks = re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return next(block for block in blocks if "from harness import" in block)


def test_the_example_of_the_readme_trains(capsys):
    exec(compile(readme_example(), "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [str(epoch) for epoch in range(1, 11)]
    assert 0.9 < float(lines[-1].split()[1]) <= 1.0


def test_the_example_of_the_docstring_is_that_of_the_readme():
    assert harness.__doc__ is not None
    assert "".join(readme_example().split()) in "".join(harness.__doc__.split())


def test_judge_gives_the_verdicts_of_a_claim(recorded):
    judged = analysis.judge(str(PROJECT / "tests" / "records" / "tiny.toml"), tracking_uri=recorded)
    assert [verdict.label for verdict in judged.verdicts] == ["reproduced", "inconclusive"]


@pytest.mark.parametrize("package", [harness, analysis])
def test_every_name_of_a_facade_is_there_and_no_other(package):
    assert dir(package) and all(getattr(package, name) is not None for name in dir(package))
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nothing'"):
        _ = package.nothing


def test_importing_the_facades_loads_nothing_slow():
    code = "import sys, harness, analysis; sys.exit(bool({'torch', 'mlflow', 'optuna', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0


@pytest.mark.parametrize("package", ["harness", "analysis"])
def test_python_m_lists_every_command_with_one_line_each(command, package):
    done = command(package)
    listed = re.findall(rf"-m {package}\.(\w+) +\S.+", done.stdout)
    entry_points = {
        path.stem
        for path in (PROJECT / package).glob("*.py")
        if path.stem != "__main__" and 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }
    assert done.returncode == 0 and set(listed) == entry_points and len(listed) == len(entry_points)


SCRIPT = Path(sys.executable).with_name("harness")


def script(folder, *arguments, **variables):
    env = os.environ | {"PATH": f"{SCRIPT.parent}:{os.environ['PATH']}"} | variables
    return subprocess.run([SCRIPT, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_the_console_script_lists_all_commands_and_names_itself_in_what_it_prints(tmp_path):
    listed = script(tmp_path).stdout.splitlines()[:-2]
    assert [line.split()[:2] for line in listed] == [["harness", name] for name in COMMANDS]
    done = script(tmp_path, "lesson", "--dataset", "digits", "--epochs", "0")
    assert done.returncode == 2
    assert done.stderr.startswith("error: epochs is 0: it should be greater than or equal to 1")


def test_every_command_has_a_short_help_option_and_a_version(tmp_path):
    for name in COMMANDS:
        done = script(tmp_path, name, "-h")
        assert done.returncode == 0 and f"harness {name}" in done.stdout, done.stderr
    assert script(tmp_path, "--version").stdout == f"lesson11-harness {version('lesson11-harness')}\n"


def test_the_shell_completes_commands_and_options(tmp_path):
    def completed(typed, position):
        words = {"COMP_WORDS": typed, "COMP_CWORD": str(position)}
        return script(tmp_path, _HARNESS_COMPLETE="complete_bash", **words).stdout.split()

    assert completed("harness repl", 1) == ["replicate", "replay"]
    assert completed("harness search --win", 2) == ["--winner-seeds"]


def test_the_interpreter_that_runs_is_named_in_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/somewhere/harness/search.py", "--study", "a b"])
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert this_command() == "python -m harness.search --study 'a b'"
    monkeypatch.setenv("PATH", "/nowhere")
    assert command_line("analysis.study", "--study s") == f"{sys.executable} -m analysis.study --study s"
    monkeypatch.chdir(Path(sys.executable).parent.parent)
    assert command_line("harness.ui") == f"{Path(sys.executable).parent.name}/{Path(sys.executable).name} -m harness.ui"


def test_a_command_that_is_none_is_answered_with_the_nearest(command):
    done = command("harness", "serch")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: 'serch' is not a command; did you mean search? there are search, ")


def test_a_mistyped_option_is_answered_with_the_nearest(command):
    done = command("harness.search", "--trails", "3")
    assert done.returncode == 2
    assert done.stderr == "error: No such option: --trails (Possible options: --trials) (see --help)\n"


def test_a_command_of_analysis_that_is_written_as_two_words_is_refused(command):
    done = command("analysis", "report", "--check", "x.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("-m analysis.report --check x.json\n")


def test_a_page_names_no_folders_of_this_machine(monkeypatch):
    arguments = ["/home/me/x.toml", "--output-dir=/home/me/out", "--dataset", "csv:/data/t.csv", "http://host/x"]
    monkeypatch.setattr(sys, "argv", ["/somewhere/analysis/report.py", *arguments])
    shown = "x.toml --output-dir=out --dataset csv:t.csv http://host/x"
    assert this_command(portable=True) == f"python -m analysis.report {shown}"


@pytest.mark.slow
def test_a_wheel_works_in_another_folder_with_the_experiments_that_it_brings(tmp_path, command):
    source = tmp_path / "source"
    for folder in ("harness", "analysis", "experiments"):
        shutil.copytree(PROJECT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / file, source / file)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, source]
    subprocess.run(pip, check=True, capture_output=True)
    (built,) = tmp_path.glob("*.whl")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", built, tmp_path / "site"], check=True)
    done = command("harness.search", "--dataset", "digits", "--trials", "1", PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    listed = command("harness.replicate", PYTHONPATH=str(tmp_path / "site"))
    assert "there are batch_noise, batch_norm, epochs" in listed.stderr
