"""Fitting candidates: worker processes, CPU budgets, time limits and hyperparameter search.

Comes in: feature matrices and algorithm settings. Goes out: `Fitted` candidates. Storing them belongs to
`training.bundles`.
"""
