"""How a stage's error becomes a step's failure: whether to try again, and the sentence people read."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from mlops_assets.errors import MlopsError, ServiceError


@contextmanager
def plain_failures() -> Iterator[None]:
    """A service that did not answer is tried again; everything else would fail the same way and is not."""
    try:
        yield
    except (ServiceError, ConnectionError, TimeoutError) as error:
        raise dg.Failure(str(error)) from error
    except MlopsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except Exception as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error
