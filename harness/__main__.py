"""`python -m harness`, and the console script `harness`: the list of commands, or the one that is named."""

from harness.cli.commands import run_named

if __name__ == "__main__":
    run_named()
