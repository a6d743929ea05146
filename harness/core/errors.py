"""What can go wrong in a way that a person can put right, as exceptions whose text is the one line they read."""

REMEDY = "what is recorded stays; put that right, then give the same command again"


class UserError(Exception):
    """Bad input or a bad place: what was wrong, the value received, the bound, the remedy, in one line.

    White space is one blank, and what cannot be printed is escaped: a message may quote whatever a file holds.
    """

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        super().__init__("".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in line))


class Held(UserError):
    """Another process is at that work; the text names it."""

    def __init__(self, message: str) -> None:
        super().__init__(f"{message}: wait until that has ended")


class Stopped(Exception):
    """The command ended before its work was done; the text says why and how to go on, `status` is the exit status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
