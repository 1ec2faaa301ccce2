"""What somebody writes who has one model and no platform: the pump model's week in one plain script.

    python -m benchmarks.lifecycle_script URL AS_OF FOLDER [--shap package]

Reads the same table of readings, asks the same rules, builds the same features, fits the same candidates with the same
libraries, explains and draws the winner, logs all of it to MLflow, registers the winner and writes its predictions to a
Parquet file. It knows nothing of `mlops_assets`: no graph, no ledger, no champion, no gates, no time limit, no table
versions, nothing survives a crash. By default SHAP values come from LightGBM itself and from the closed form of linear
models, as they do in `mlops_assets`; with `--shap package` they and their pictures come from the shap package.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import tempfile
import time
import warnings
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
warnings.simplefilter("ignore")

import lightgbm  # noqa: E402
import mlflow  # noqa: E402
import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
import sqlalchemy as sa  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from sklearn.linear_model import Ridge  # noqa: E402
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

TARGET, TIME, UNIT = "efficiency", "recorded_at", "pump_id"
INPUTS = ["flow_m3h", "power_kw", "current_a", "speed_rpm", "motor_temperature_c", "vibration_mm_s"]
SHAP_ROWS = 500
SEED = 42
Floats = NDArray[np.float64]
Part = tuple[Floats, Floats]


def read(engine: sa.Engine, as_of: datetime) -> pl.DataFrame:
    """Thirty days of readings, flagged values taken out, one row per pump and minute, targets present."""
    query = sa.text(
        "select * from readings_wide where recorded_at > :start and recorded_at <= :end order by recorded_at"
    )
    with engine.connect() as connection:
        frame = pl.read_database(
            query,
            connection,
            execute_options={"parameters": {"start": as_of - timedelta(days=30), "end": as_of}},
            infer_schema_length=None,
        )
    frame = frame.unique([TIME, UNIT], keep="last", maintain_order=True)
    for column, flag in (("flow_m3h", "flag_flow"), ("power_kw", "flag_power")):
        frame = frame.with_columns(pl.when(pl.col(flag) == 0).then(pl.col(column)).alias(column))
    return frame.filter(pl.col(TARGET).is_not_null() & pl.col(TARGET).is_not_nan())


def check(frame: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The rules of the model file; rows out of range are left out, anything else stops the script."""
    used = [TIME, UNIT, TARGET, *INPUTS]
    if absent := [name for name in used if name not in frame.columns]:
        raise SystemExit(f"columns missing: {absent}")
    inside = (
        (pl.col("flow_m3h").is_null() | pl.col("flow_m3h").is_between(0, 900))
        & pl.col(TARGET).is_between(0, 100)
        & (pl.col(TIME) <= as_of)
        & pl.all_horizontal(pl.col(name).is_null() | pl.col(name).is_finite() for name in [TARGET, *INPUTS])
    )
    good = frame.filter(inside)
    facts = good.select(
        rows=pl.len(),
        newest=pl.col(TIME).max(),
        keys=pl.struct(TIME, UNIT).n_unique(),
        targets=pl.col(TARGET).n_unique(),
        step=(pl.col(TIME).diff().over(UNIT)).min(),
        **{f"missing_{name}": pl.col(name).null_count() / pl.len() for name in used},
    ).row(0, named=True)
    passed = {
        "min_rows": facts["rows"] >= 36_000,
        "freshness": as_of - facts["newest"] <= timedelta(hours=24),
        "unique_rows": facts["keys"] == facts["rows"],
        "time_order": facts["step"] is None or facts["step"] > timedelta(0),
        "target_varies": facts["targets"] > 1,
        "quarantined": good.height >= 0.95 * frame.height,
        **{f"missing_{name}": facts[f"missing_{name}"] <= 0.05 for name in used},
    }
    if broken := [name for name, kept in passed.items() if not kept]:
        raise SystemExit(f"rules broken: {broken}")
    return good


def features(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Calendar, lags and rolling statistics, in the order of pump, then time."""
    ordered = frame.sort(UNIT, TIME)
    lags = [
        pl.col(name).shift(step).over(UNIT).alias(f"{name}_lag_{step}")
        for name in ("flow_m3h", "power_kw")
        for step in (1, 2, 3)
    ]
    rolling = [
        getattr(pl.col("power_kw"), f"rolling_{what}_by")(TIME, window_size=window)
        .over(UNIT)
        .alias(f"power_kw_{what}_{window}")
        for window in ("6h", "24h")
        for what in ("mean", "std")
    ]
    calendar = [
        pl.col(TIME).dt.hour().cast(pl.Float64).alias("hour"),
        pl.col(TIME).dt.weekday().cast(pl.Float64).alias("day_of_week"),
    ]
    whole = ordered.with_columns(lags + rolling + calendar).to_dummies(UNIT).with_columns(ordered[UNIT])
    names = [name for name in whole.columns if name not in (TIME, UNIT, TARGET) and _is_feature(name)]
    return whole.sort(TIME), names


def _is_feature(name: str) -> bool:
    return name in INPUTS or name.startswith((f"{UNIT}_", "flow_m3h_", "power_kw_", "hour", "day_of_week"))


def split(frame: pl.DataFrame, names: list[str]) -> dict[str, Part]:
    """70, 15 and 15 percent in the order of time, gaps filled with medians of the training part."""
    rows = frame.height
    ends = {"train": (0, int(rows * 0.7)), "validation": (int(rows * 0.7), int(rows * 0.85))}
    ends["test"] = (ends["validation"][1], rows)
    values = frame.select(pl.col(names).cast(pl.Float64).fill_null(float("nan"))).to_numpy().copy()
    medians = np.nanmedian(values[: ends["train"][1]], axis=0)
    gaps = np.isnan(values)
    values[gaps] = np.broadcast_to(medians, values.shape)[gaps]
    target = frame[TARGET].to_numpy()
    return {part: (values[start:stop], target[start:stop]) for part, (start, stop) in ends.items()}


def fit_ridge(parts: dict[str, Part]) -> Any:
    return make_pipeline(StandardScaler(), Ridge(random_state=SEED)).fit(*parts["train"])


def fit_lightgbm(parts: dict[str, Part]) -> Any:
    params = {
        "objective": "regression",
        "num_leaves": 31,
        "verbosity": -1,
        "seed": SEED,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
    }
    train = lightgbm.Dataset(*parts["train"], params=params)
    return lightgbm.train(
        params,
        train,
        400,
        valid_sets=[lightgbm.Dataset(*parts["validation"], reference=train)],
        callbacks=[lightgbm.early_stopping(50, first_metric_only=True, verbose=False)],
    )


def measure(model: Any, parts: dict[str, Part]) -> dict[str, float]:
    """rmse, mae and r2 of every part."""
    result: dict[str, float] = {}
    for part, (values, truth) in parts.items():
        message = model.predict(values)
        result[f"rmse_{part}"] = float(root_mean_squared_error(truth, message))
        result[f"mae_{part}"] = float(mean_absolute_error(truth, message))
        result[f"r2_{part}"] = float(r2_score(truth, message))
    return result


def explain(model: Any, parts: dict[str, Part], package: bool) -> tuple[Floats, Floats, Floats]:
    """SHAP values of SHAP_ROWS rows, the rows, and the base value of each."""
    rng = np.random.default_rng(SEED)
    rows = parts["test"][0][rng.choice(len(parts["test"][0]), SHAP_ROWS, replace=False)]
    train = parts["train"][0]
    if package:
        import shap

        if isinstance(model, lightgbm.Booster):
            result = shap.TreeExplainer(model)(rows)
        else:
            scaler, linear = model[0], model[1]
            result = shap.LinearExplainer(linear, scaler.transform(train))(scaler.transform(rows))
        return np.asarray(result.values), rows, np.broadcast_to(result.base_values, SHAP_ROWS)
    if isinstance(model, lightgbm.Booster):
        flat = np.asarray(model.predict(rows, pred_contrib=True))
        return flat[:, :-1], rows, flat[:, -1]
    slopes = model[1].coef_ / model[0].scale_
    centre = train.mean(axis=0)
    level = float(model.predict(centre[None, :])[0])
    return slopes * (rows - centre), rows, np.full(SHAP_ROWS, level)


def draw(
    model: Any,
    frame: pl.DataFrame,
    parts: dict[str, Part],
    metrics: dict[str, float],
    shap: tuple[Floats, Floats, Floats],
    names: list[str],
    folder: Path,
) -> None:
    """Seven pictures as PNG files."""
    values, truth = parts["test"]
    message = model.predict(values)
    thin = np.linspace(0, len(truth) - 1, 1_200).astype(int)
    pushes, inputs, base = shap
    top = np.argsort(np.abs(pushes).mean(axis=0))[-12:]

    figure, axes = _figure("Metrics of the holdout")
    axes.barh(["rmse", "mae", "r2"], [metrics[f"{name}_test"] for name in ("rmse", "mae", "r2")])
    _save(figure, folder / "metrics.png")

    figure, axes = _figure("Predicted against actual")
    axes.scatter(truth[thin], message[thin], s=9, alpha=0.35)
    axes.plot([truth.min(), truth.max()], [truth.min(), truth.max()], color="red")
    _save(figure, folder / "predicted_vs_actual.png")

    figure, axes = _figure("Error over time")
    when = np.array(frame[TIME].tail(len(truth)).to_list())
    axes.scatter(when[thin], (message - truth)[thin], s=6, alpha=0.3)
    window = len(truth) // 50
    axes.plot(when[thin], np.convolve(message - truth, np.ones(window) / window, mode="same")[thin])
    figure.autofmt_xdate(rotation=25)
    _save(figure, folder / "residuals.png")

    figure, axes = _figure("What moves the predictions")
    axes.barh([names[index] for index in top], np.abs(pushes).mean(axis=0)[top])
    _save(figure, folder / "feature_importance.png")

    figure, axes = _figure("SHAP summary")
    shown = np.linspace(0, len(pushes) - 1, 300).astype(int)
    rng = np.random.default_rng(0)
    for height, index in enumerate(top):
        low, high = np.percentile(inputs[shown, index], [5, 95])
        shade = np.clip((inputs[shown, index] - low) / ((high - low) or 1.0), 0, 1)
        spread = rng.uniform(-0.3, 0.3, len(shown))
        axes.scatter(pushes[shown, index], height + spread, c=shade, cmap="viridis", s=9)
    axes.set_yticks(range(len(top)), [names[index] for index in top])
    _save(figure, folder / "shap_summary.png")

    figure, axes = _figure("One prediction taken apart")
    level = float(base[-1])
    for height, index in enumerate(top[::-1]):
        axes.barh(height, pushes[-1, index], left=level, color="red" if pushes[-1, index] > 0 else "blue")
        level += pushes[-1, index]
    axes.set_yticks(range(len(top)), [f"{names[index]} = {inputs[-1, index]:.4g}" for index in top[::-1]])
    _save(figure, folder / "shap_waterfall.png")

    figure, axes = _figure("One prediction: what raises and what lowers it")
    for sign in (1, -1):
        edge = float(base[-1] + pushes[-1].sum())
        for index in top[::-1]:
            if sign * pushes[-1, index] > 0:
                axes.barh(0, -pushes[-1, index], left=edge, edgecolor="white")
                edge -= pushes[-1, index]
    _save(figure, folder / "shap_force.png")


def _figure(title: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7.0, 4.2), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.grid(visible=True)
    return figure, axes


def _save(figure: Figure, file: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="database of the readings; MLflow's address is MLFLOW_TRACKING_URI")
    parser.add_argument("as_of", type=datetime.fromisoformat)
    parser.add_argument("folder", type=Path, help="where MLflow's artifacts and the predictions go")
    parser.add_argument("--shap", choices=("own", "package"), default="own")
    chosen = parser.parse_args()
    logging.getLogger("mlflow").setLevel(logging.ERROR)

    frame = check(read(sa.create_engine(chosen.url), chosen.as_of), chosen.as_of)
    table, names = features(frame)
    parts = split(table, names)
    requirements = [f"{library.__name__}=={library.__version__}" for library in (lightgbm, np)]
    if mlflow.get_experiment_by_name("plain_script") is None:
        mlflow.create_experiment("plain_script", (chosen.folder / "mlruns").absolute().as_uri())
    mlflow.set_experiment("plain_script")
    with mlflow.start_run(run_name="lifecycle"), tempfile.TemporaryDirectory() as scratch:
        mlflow.log_params({"rows": table.height, "features": len(names), "seed": SEED})
        mlflow.set_tags({"as_of": chosen.as_of.isoformat(), "start": str(table[TIME].min())})
        fitted: dict[str, tuple[Any, dict[str, float]]] = {}
        for name, fit in (("ridge", fit_ridge), ("lightgbm", fit_lightgbm)):
            with mlflow.start_run(run_name=name, nested=True):
                began = time.perf_counter()
                model = fit(parts)
                metrics = {**measure(model, parts), "seconds": time.perf_counter() - began}
                mlflow.log_params({"model_type": name})
                mlflow.log_metrics(metrics)
                fitted[name] = (model, metrics)
        best = min(fitted, key=lambda name: fitted[name][1]["rmse_validation"])
        model, metrics = fitted[best]
        mlflow.log_metrics(metrics)
        shap = explain(model, parts, chosen.shap == "package")
        ranking = dict(zip(names, np.abs(shap[0]).mean(axis=0).tolist(), strict=True))
        mlflow.log_metrics({f"importance/{name}": value for name, value in ranking.items()})
        folder = Path(scratch)
        draw(model, table, parts, metrics, shap, names, folder)
        (folder / "report.md").write_text(f"# {best}\n\n```json\n{json.dumps(metrics, indent=1)}\n```\n")
        mlflow.log_artifacts(scratch, "evaluation")
        kind = "lightgbm" if isinstance(model, lightgbm.Booster) else "sklearn"
        flavour = importlib.import_module(f"mlflow.{kind}")
        flavour.log_model(
            model, name="model", registered_model_name="plain_script", pip_requirements=requirements
        )
    values = np.concatenate([part[0] for part in parts.values()])
    responses = table.select(TIME, UNIT).with_columns(prediction=pl.Series(model.predict(values)))
    responses.write_parquet(chosen.folder / "plain_predictions.parquet")
    print(f"{best}: rmse {metrics['rmse_validation']:.4g} on validation, {metrics['rmse_test']:.4g} on test")


if __name__ == "__main__":
    main()
