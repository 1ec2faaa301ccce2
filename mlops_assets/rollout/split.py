"""Which requests belong to the challenger: the same key always gets the same version while the share grows."""

from __future__ import annotations

from hashlib import blake2b


def is_challengers(rollout_id: int, key: bytes, share: float) -> bool:
    """Return whether requests with this key belong to the challenger.

    A key that belongs to the challenger at one share still does at a larger one. Different roll-outs draw different
    keys.

    Args:
        rollout_id: Number of the roll-out.
        key: What a caller's requests have in common.
        share: Share of the keys, between 0 and 1.

    Returns:
        True for the share of all keys.
    """
    drawn = blake2b(key, digest_size=8, salt=rollout_id.to_bytes(16, "big")).digest()
    return int.from_bytes(drawn, "big") < share * 2**64
