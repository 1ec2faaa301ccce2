"""Every algorithm by the name a model file uses.

To add one: a class of its parameters in `model_file.algorithms`, a file here, and a line here.

The classes import their libraries when they fit or load, so that this dict costs nothing.
"""

from __future__ import annotations

from typing import Final

from mlops_assets.training.algorithms.arima import Arima
from mlops_assets.training.algorithms.base.algorithm import Algorithm
from mlops_assets.training.algorithms.catboost import CatBoost
from mlops_assets.training.algorithms.cnn import Cnn
from mlops_assets.training.algorithms.embedding import Embedding
from mlops_assets.training.algorithms.exponential_smoothing import ExponentialSmoothing
from mlops_assets.training.algorithms.hist_gradient_boosting import HistGradientBoosting
from mlops_assets.training.algorithms.lightgbm import LightGbm
from mlops_assets.training.algorithms.linear import Linear
from mlops_assets.training.algorithms.logistic import Logistic
from mlops_assets.training.algorithms.prophet import Prophet
from mlops_assets.training.algorithms.python import Python
from mlops_assets.training.algorithms.random_forest import RandomForest
from mlops_assets.training.algorithms.recurrent import Gru, Lstm
from mlops_assets.training.algorithms.recursive import Recursive
from mlops_assets.training.algorithms.ridge import Ridge
from mlops_assets.training.algorithms.sarimax import Sarimax
from mlops_assets.training.algorithms.seasonal_naive import SeasonalNaive
from mlops_assets.training.algorithms.svm import Svm
from mlops_assets.training.algorithms.transformer import Transformer
from mlops_assets.training.algorithms.xgboost import XgBoost

ALGORITHMS: Final[dict[str, type[Algorithm]]] = {
    "linear": Linear,
    "ridge": Ridge,
    "logistic": Logistic,
    "random_forest": RandomForest,
    "svm": Svm,
    "hist_gradient_boosting": HistGradientBoosting,
    "lightgbm": LightGbm,
    "xgboost": XgBoost,
    "catboost": CatBoost,
    "python": Python,
    "seasonal_naive": SeasonalNaive,
    "recursive": Recursive,
    "exponential_smoothing": ExponentialSmoothing,
    "arima": Arima,
    "sarimax": Sarimax,
    "prophet": Prophet,
    "lstm": Lstm,
    "gru": Gru,
    "cnn": Cnn,
    "transformer": Transformer,
    "embedding": Embedding,
}
