"""The stages of a lifecycle run, one module each, in the order of `mlops_assets.stages`.

Each reads its inputs, calls one package, writes its output. No stage knows Dagster.
"""
