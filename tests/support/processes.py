"""Python programs as processes of their own, with the project on their path."""

import os
import subprocess
import sys

from support.paths import PROJECT


def program(text, folder, *arguments, **options):
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    return subprocess.Popen([sys.executable, "-c", text, *arguments], cwd=folder, env=env, **options)
