"""Dagster's door: `dagster dev -m mlops_assets.definitions` loads every model file of the models folder."""

import os

from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.settings import Settings
from mlops_assets.spec import load_models

settings = Settings.from_environment(os.environ)
defs = build_definitions(load_models(settings.models), executor=settings.executor)
