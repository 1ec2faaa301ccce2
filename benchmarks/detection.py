"""Drift alarms on public streams with known changes, and on streams without one: our default next to other rules.

    python -m benchmarks.detection [--data FOLDER] [--quarters 8]

Every rule sees the same training rows and the same windows, one after the other, and rings when any column moved:

- ours: the default alarm budget, one false alarm in 13 windows, and the fixed PSI limits 0.1 and 0.25;
- Evidently's documented defaults: up to 1,000 training rows a p-value below 0.05 (Kolmogorov-Smirnov for numbers,
  chi-squared for text), above that a distance of 0.1 (Wasserstein in standard deviations, Jensen-Shannon for text);
- NannyML's documented default: Jensen-Shannon distance above 0.1, numbers in bins of Doane's rule.

The rules of the others are written down here and not run by their packages. Rows get a clock of their own, a window is
a week. `unknown` is the share of windows in which our report says that it cannot measure a column.

Without --data only the simulated streams run: AR(1) with coefficient rho, stationary, so that every alarm is false.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from scipy import stats
from scipy.signal import lfilter
from scipy.spatial.distance import jensenshannon

from mlops_assets.features import profile, with_nulls
from mlops_assets.model_file import ModelSpec
from mlops_assets.monitoring import drift

WEEK = timedelta(days=7)
START = datetime(2021, 1, 4, tzinfo=UTC)
QUARTER = 13
SMALL = 1_000
"""Up to so many training rows Evidently tests, above it measures distances."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Rows in the order of time; `change` is the first row of a real change, None where there is none."""

    name: str
    frame: pl.DataFrame
    window: int
    trained: int
    change: int | None = None
    has_clock: bool = True


Rule = Callable[[pl.DataFrame, datetime], tuple[bool, float]]
"""From a window and its end to whether it rings, and the share of columns that could not be measured."""


def spec_of(columns: list[str], *, timestamp: bool, fixed: bool) -> ModelSpec:
    """Return a model file with the default monitoring, or with fixed limits."""
    return ModelSpec.model_validate(
        {
            "name": "bench",
            "description": "benchmark",
            "owners": ["a@example.com"],
            "problem": "regression",
            "target": "target",
            "timestamp": "at" if timestamp else None,
            "source": {"kind": "simulated", "simulator": "pump_station"},
            "features": {"inputs": columns},
            "training": {"algorithms": [{"name": "ridge"}]},
            "evaluation": {"primary": "rmse"},
            **({"monitoring": {"drift": {"warn": 0.1, "act": 0.25}}} if fixed else {}),
        },
        strict=False,
    )


def ours(train: pl.DataFrame, columns: list[str], *, has_clock: bool, fixed: bool = False) -> Rule:
    """Ring when any column moved significantly."""
    spec = spec_of(columns, timestamp=has_clock, fixed=fixed)
    reference = with_nulls(profile(train, columns), train, spec.timestamp, spec.monitoring.window)

    def rule(window: pl.DataFrame, at: datetime) -> tuple[bool, float]:
        report = drift(spec, reference, 1, window, at, computed=(), from_clock=())
        unknown = sum(one.value is None for one in report.features) / len(report.features)
        return any(one.has_moved for one in report.features), unknown

    return rule


def evidently(train: pl.DataFrame, columns: list[str]) -> Rule:
    """Ring when any column drifted by the documented default."""

    def drifted(name: str, window: pl.DataFrame) -> bool:
        before, after = train[name].drop_nulls(), window[name].drop_nulls()
        if train[name].dtype == pl.String:
            values = sorted({*before, *after})
            counts = [np.array([(one == value).sum() for value in values], float) for one in (before, after)]
            if train.height > SMALL:
                return bool(jensenshannon(counts[0], counts[1], base=2) >= 0.1)
            expected = counts[0] / counts[0].sum() * counts[1].sum()
            return bool(stats.chisquare(counts[1], np.maximum(expected, 1e-9), sum_check=False).pvalue < 0.05)
        if train.height > SMALL:
            unit = max(float(before.std() or 0.0), 0.001)  # type: ignore[arg-type]
            return bool(stats.wasserstein_distance(before, after) / unit >= 0.1)
        return bool(stats.ks_2samp(before, after).pvalue < 0.05)

    return lambda window, _: (any(drifted(name, window) for name in columns), 0.0)


def nannyml(train: pl.DataFrame, columns: list[str]) -> Rule:
    """Ring when the Jensen-Shannon distance of any column is above 0.1."""

    def distance(name: str, window: pl.DataFrame) -> float:
        before, after = train[name].drop_nulls(), window[name].drop_nulls()
        if train[name].dtype == pl.String:
            values = sorted({*before, *after})
            counts = [[(one == value).sum() for value in values] for one in (before, after)]
            return float(jensenshannon(counts[0], counts[1], base=2))
        edges = np.histogram_bin_edges(before.to_numpy(), "doane")
        shares = [np.histogram(one.to_numpy(), edges)[0] / len(one) for one in (before, after)]
        beyond = [max(0.0, 1.0 - float(one.sum())) for one in shares]
        return float(jensenshannon([*shares[0], beyond[0]], [*shares[1], beyond[1]], base=2))

    return lambda window, _: (any(distance(name, window) > 0.1 for name in columns), 0.0)


def autoregressive(rho: float, quarters: int, seed: int) -> Stream:
    """26 weeks of half hours to train on, then clean weeks; three columns."""
    rows = 336 * (26 + QUARTER * quarters)
    noise = np.random.default_rng(seed).normal(size=(3, rows + 20_000))
    values = lfilter([1.0], [1.0, -rho], noise, axis=1)[:, 20_000:]
    frame = pl.DataFrame({f"x{i}": column for i, column in enumerate(values)})
    return Stream(f"AR(1) rho {rho:g}", frame, 336, 26 * 336)


def public(folder: Path) -> Iterator[Stream]:
    """Yield the public streams."""
    columns = ["nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
    elec2 = pl.read_parquet(folder / "elec2_nsw.parquet").select(columns)
    yield Stream("elec2: three inputs come alive", elec2, 336, 26 * 336, 17_424)
    yield Stream("elec2, unmoved half", elec2[:17_424], 336, 26 * 336)
    yield Stream("elec2, second half", elec2[17_472:], 336, 52 * 336)

    vic = pl.read_parquet(folder / "vic_elec_halfhour.parquet").select("Time", "Demand", "Temperature")
    vic = vic.rename({"Time": "at"}).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    yield Stream("electricity and weather, third year", vic, 336, 105 * 336)
    collapse = 105 * 336 + 26 * 336
    fallen = pl.when(pl.int_range(pl.len()) >= collapse).then(pl.col("Demand") * 0.5).otherwise("Demand")
    yield Stream(
        "demand collapses by half", vic.with_columns(fallen.alias("Demand")), 336, 105 * 336, collapse
    )

    census = pl.read_parquet(folder / "acs_employment_ma_2015_2016.parquet")
    census = census.select("AGEP", "SCHL", "MAR", "RELP", "DIS", "SEX", "RAC1P", "year")
    parts = [
        census.filter(pl.col("year") == year).drop("year").sample(20_000, seed=0) for year in (2015, 2016)
    ]
    yield Stream("census, a year later", pl.concat(parts), 1_000, 20_000, has_clock=False)

    pump = pl.read_parquet(folder / "skab_pump_valve1.parquet")
    sensors = pump.columns[2:10]
    sound = pump.filter(pl.col("anomaly").is_null()).select(sensors)
    valve = pump.filter(pl.col("anomaly").is_not_null())
    yield Stream("pump, sound run", sound, 300, 6_000)
    yield Stream(
        "pump, another regime", pl.concat([sound, valve.select(sensors)[:1_500]]), 300, 6_000, sound.height
    )
    files = valve["file"].unique(maintain_order=True)
    usual = valve.filter(pl.col("file").is_in(files[:10].implode()) & (pl.col("anomaly") == 0)).select(
        sensors
    )
    for file in files[10:]:
        rows = valve.filter(pl.col("file") == file)
        first = int(rows["anomaly"].arg_max() or 0)
        name = f"pump valve, {Path(file).name}"
        yield Stream(name, pl.concat([usual, rows.select(sensors)]), 100, usual.height, usual.height + first)

    series = pl.read_parquet(folder / "tcpd_series.parquet")
    notes = pl.read_parquet(folder / "tcpd_annotations.parquet")
    for name in ("us_population", "run_log", "well_log", "bank", "brent_spot"):
        wide = (
            series.filter(pl.col("dataset") == name)
            .pivot("dim", index="index", values="value")
            .sort("index")
            .drop("index")
        )
        marks = notes.filter(pl.col("dataset") == name)["changepoint_index"].drop_nulls()
        late = sorted(mark for mark in marks if mark >= 400)
        yield Stream(f"annotated series {name}", wide, 100, 400, int(late[0]) if late else None)


def run(stream: Stream) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield a row of the table for each rule."""
    columns = [name for name in stream.frame.columns if name != "at"]
    frame = stream.frame
    if "at" not in frame.columns:
        step = WEEK / stream.window
        frame = frame.with_columns(at=pl.Series([START + step * i for i in range(frame.height)]))
    train = frame[: stream.trained]
    rules = {
        "ours": ours(train, columns, has_clock=stream.has_clock),
        "fixed PSI": ours(train, columns, has_clock=stream.has_clock, fixed=True),
        "Evidently": evidently(train, columns),
        "NannyML": nannyml(train, columns),
    }
    for name, rule in rules.items():
        false = clean = late = 0
        unknowns = []
        delay: int | None = None
        for start in range(stream.trained, frame.height - stream.window + 1, stream.window):
            window = frame[start : start + stream.window]
            rings, unknown = rule(window, window["at"][-1])
            unknowns.append(unknown)
            if stream.change is None or start + stream.window <= stream.change:
                clean, false = clean + 1, false + rings
            else:
                late += 1
                delay = late if rings and delay is None else delay
        detected = "-" if stream.change is None else "missed" if delay is None else f"window {delay}"
        rate = f"{false} of {clean}"
        yield stream.name, name, rate, detected, f"{np.mean(unknowns):.0%}" if unknowns else "-"


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the public streams, as Parquet")
    parser.add_argument("--quarters", type=int, default=8, help="clean quarters of each simulated stream")
    options = parser.parse_args()
    streams = [
        autoregressive(rho, options.quarters, seed) for seed, rho in enumerate((0.0, 0.9, 0.99, 0.999))
    ]
    print("| stream | rule | false alarms | change found in | unknown |\n|---|---|---|---|---|")
    for stream in [*streams, *(public(options.data) if options.data else ())]:
        for row in run(stream):
            print("|", " | ".join(row), "|", flush=True)


if __name__ == "__main__":
    main()
