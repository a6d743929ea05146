"""Exceptions whose text is the one line that the user reads."""

REMEDY = "recorded data is safe; fix the problem and run the same command again"


class UserError(Exception):
    """Bad input or an unusable place: what was wrong, the value, the bound and the remedy, in one line.

    Runs of white space become one blank and unprintable characters are escaped, because a message may quote a file.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        super().__init__("".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line))


class AlreadyRunningError(UserError):
    """Another process does the same work; the text names that process."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}: wait until it has finished")


class Stopped(Exception):
    """The command ended early and can be resumed. The text says why and how; `status` is the exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does, with another `status`."""

    status = 143
