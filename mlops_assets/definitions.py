"""Dagster's entry point: `dagster dev -m mlops_assets.definitions` loads every model file of the models folder.

A broken file is shown as an asset with its problems; the models of all other files load.
"""

import logging
import os

import dagster as dg

from mlops_assets.defs.broken_files import broken_file_assets
from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.model_file import read_folder
from mlops_assets.settings import Settings

settings = Settings.from_environment(os.environ)
folder = read_folder(settings.models)
for file in folder.broken:
    logging.getLogger(__name__).error("%s", file.sentence)
defs = dg.Definitions.merge(
    build_definitions(
        folder.specs,
        files=folder.files,
        executor=settings.executor,
        automatic=settings.automatic,
        probe=settings.probe,
    ),
    dg.Definitions(assets=broken_file_assets(folder.broken)),
)
