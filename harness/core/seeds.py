"""A seed for each role, so that drawing the split never changes the weights or the batch order."""

import hashlib


def derive(seed: int, role: str) -> int:
    """A 32-bit seed for one role, by SHA-256 of seed and role. Adding a role changes no other role's seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{role}".encode()).digest()[:4], "big")
