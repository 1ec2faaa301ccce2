"""The errors a person may meet, each carrying the whole sentence they should read.

Nothing here prints or logs: the command line shows `str(error)`, Dagster shows it as the failure's description.
"""

from __future__ import annotations


class MlopsError(Exception):
    """An error that a user can fix: the message says what is wrong, where, and how to fix it."""


class SpecError(MlopsError):
    """A model file is refused; the message lists every problem with file, line and key."""


class SourceError(MlopsError):
    """Readings could not be fetched: missing, unreadable, empty, or without a column the model file names."""


class DataError(MlopsError):
    """Readings or features are there but cannot be used (too few rows, nothing left after validation)."""


class MissingExtraError(MlopsError):
    """An optional library is needed; the message names the extra that installs it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra '{extra}': pip install 'mlops-assets[{extra}]'")
        self.what = what
        self.extra = extra


class TrainingError(MlopsError):
    """No candidate could be trained, or training ran past its time limit."""


class BundleError(MlopsError):
    """A stored model is missing, damaged, or was written by something we do not trust; nothing was loaded."""


class EvidenceError(MlopsError):
    """The evidence for a decision is missing, altered, or belongs to another challenger, champion or data."""


class LostRaceError(MlopsError):
    """Another promotion moved the champion first; nothing was changed by this one."""


class LedgerError(MlopsError):
    """The ledger refuses the request: an unknown model or version, or a state that forbids it."""


class ServiceError(MlopsError):
    """A local service (PostgreSQL, MLflow, Dagster, the API) could not be started or reached."""
