"""What all commands share: options, console, signals, progress, and how a command ends.

No command lives here, and no decision about runs.
"""
