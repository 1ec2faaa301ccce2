"""Bundles: a fitted model as files that are verified before they are loaded.

Comes in: a fitted algorithm and its feature profile. Goes out: a folder with a manifest of hashes, and a
`LoadedBundle`
when it is read back. Where versions are recorded is the business of `ledger`.
"""
