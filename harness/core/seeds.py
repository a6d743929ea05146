"""One seed a role: what draws the split, the weights or the batch order never moves what draws another."""

import hashlib


def derive(seed: int, role: str) -> int:
    """A 32-bit seed for one role, by SHA-256 of seed and role, so that a new role leaves all others where they were."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{role}".encode()).digest()[:4], "big")
