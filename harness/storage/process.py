"""Which process owns a record, and whether it is still alive. The name survives the reuse of process ids."""

import os
import socket

import psutil

_SAME_START = 1.0  # seconds: two readings of one start time may differ by a clock tick


def this_process() -> str:
    """`host pid start`, with the start in seconds since 1970."""
    return f"{socket.gethostname()} {os.getpid()} {psutil.Process().create_time():.2f}"


def describe_owner(owner: str) -> str:
    """The same in words: `process 4711 on host`."""
    match owner.split(" "):
        case host, pid, _start:
            return f"process {pid} on {host}"
        case _:  # not written by this project, or cut short
            return owner


def is_alive(owner: str, elsewhere: bool = True) -> bool:
    """Whether the process that wrote `owner` is still running. `elsewhere` is the answer for one on another host."""
    try:
        host, pid, start = owner.split(" ")
        if host != socket.gethostname():
            return elsewhere
        return abs(psutil.Process(int(pid)).create_time() - float(start)) < _SAME_START
    except psutil.NoSuchProcess:
        return False
    except ValueError:  # not written by this project
        return False
