"""A first model file for a table nobody has described yet: facts about the table in, commented YAML out.

Comes in: `TableFacts`, as `readings.profiling` measures them. Goes out: the text of a model file that is valid and runs
as it is, with the reason beside every choice a person may want to change. Nothing here looks at data.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from mlops_assets.spec.source import FileSource
from mlops_assets.spec.training import Problem
from mlops_assets.spec.values import format_duration

Kind = Literal["number", "text", "boolean", "time", "other"]
Unit = Literal["s", "ms", "us", "ns"]
Writing = Literal["decimal_comma", "thousands"]
Role = Literal["input", "target", "timestamp", "entity", "left out"]

MANY_MISSING: Final = 0.5
"""Columns that miss more than this are left out."""
FEW_INPUTS: Final = 3
"""A regular series with fewer inputs than this is taken for a forecast."""
MANY_REPEATED: Final = 0.2
"""Share of repeated rows above which they are no copies: the table has few columns of few values."""
MANY_CLASSES: Final = 100
LONGEST_NAME: Final = 128
STEADY: Final = 0.4
"""Share of equal steps below which rows are events: two at one instant are then two, not one twice."""
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SEASONS: Final = (DAY, 7 * DAY)
_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./ ()-]*[A-Za-z0-9_)]|[A-Za-z_]")
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_PERSONAL: Final = re.compile(r"(?i)^(sex|gender|race|rac1p|ethnicity|age_group|nationality|religion)$")


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column after its repairs. missing is a share; span is the observed range in words.

    why says why a column is left out, note what a person should know of one that stays.
    """

    name: str
    kind: Kind
    role: Role
    missing: float
    distinct: int
    span: str = ""
    why: str = ""
    note: str = ""
    sentinels: tuple[str | int | float, ...] = ()
    cast: Literal["number"] | None = None
    writing: Writing | None = None
    flagged_by: str | None = None
    """The column that looks like this one's quality flag."""


@dataclass(frozen=True, slots=True)
class TimeFacts:
    """The timestamp column. step is the usual time between readings of an entity, regular the share that keep to it."""

    column: str
    span: str
    length: timedelta
    """From the first reading to the last."""
    step: timedelta | None
    regular: float
    zoned: bool
    sorted: bool
    missing: int
    repeated: int
    """Rows whose entity and timestamp stood in an earlier row."""
    format: str | None = None
    unit: Unit | None = None
    months: int | None = None
    """The usual step in months, where readings keep to the calendar."""
    future: int = 0
    """Rows dated after the moment of drafting: no run sees them before their time."""
    last: str = ""
    """The day after the newest reading."""
    made_of: tuple[str, ...] = ()
    """Columns that make this one, side by side."""
    days_first: str | None = None
    """The format that reads every value as well, with day and month changed about."""

    @property
    def lost(self) -> int:
        """Rows that a run today would not see or keep."""
        return self.missing + self.repeated + self.future


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table as far as a first model file needs to know it.

    classes are (value, rows) of the target, most frequent first, when it has few values; rare those too rare to learn.
    repeated: rows equal to an earlier row; twins: rows equal in every column that is used.
    """

    rows: int
    target: str
    problem: Problem
    columns: tuple[ColumnFacts, ...]
    time: TimeFacts | None
    entity: str | None
    entity_of: tuple[str, ...]
    """Columns that make the entity, side by side; empty where it is a column of the table."""
    group: str | None
    """In a table without time: the unit whose rows stand together and are counted."""
    classes: tuple[tuple[str, int], ...]
    rare: tuple[str, ...]
    missing_text: tuple[str, ...]
    repeated: int
    twins: int

    def of(self, role: Role) -> tuple[ColumnFacts, ...]:
        """Columns with a role, in the order of the table."""
        return tuple(column for column in self.columns if column.role == role)

    @property
    def horizon(self) -> timedelta | None:
        """For forecasting: one step ahead, an hour for faster readings unless they last less than a day."""
        if self.problem != "forecasting" or self.time is None or self.time.step is None:
            return None
        near = min(HOUR, self.time.length / 20)
        return self.time.step * max(1, math.ceil(near / self.time.step))

    @property
    def drops_repeated(self) -> bool:
        """Whether rows that repeat another are dropped: few, in a table without time, are copies."""
        return self.time is None and 0 < self.repeated <= MANY_REPEATED * self.rows

    @property
    def own_past(self) -> bool:
        """Whether a number is predicted from its own earlier values, reading by reading: a series whose step is not of
        one length (months), or shorter than a second."""
        few = len(self.of("input")) < FEW_INPUTS
        return self.problem == "regression" and self.time is not None and few and _is_series(self)

    @property
    def seasons(self) -> tuple[timedelta, ...]:
        """For forecasting: the day and the week, where they are whole steps and the table holds two of them."""
        if self.problem != "forecasting" or self.time is None or self.time.step is None:
            return ()
        step, length = self.time.step, self.time.length
        return tuple(one for one in SEASONS if one > step and not one % step and length >= 2 * one)


def draft(name: str, owner: str, source: FileSource, facts: TableFacts) -> str:
    """The text of the model file."""
    sections = [
        _head(name, owner, source, facts),
        _repairs(facts),
        _validation(facts),
        _features(facts),
        _training(facts),
        _gates(facts),
    ]
    return "\n".join(line for section in sections for line in (*section, ""))


def scalar(value: str | int | float) -> str:
    """A value as YAML, quoted where it would be read as something else."""
    if not isinstance(value, str):
        return f"{value:g}" if isinstance(value, float) else str(value)
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)


def listed(values: Sequence[str | int | float]) -> str:
    """A list on one line."""
    return f"[{', '.join(scalar(value) for value in values)}]"


def _head(name: str, owner: str, source: FileSource, facts: TableFacts) -> Iterator[str]:
    yield "# yaml-language-server: $schema=schema.json"
    yield f"# Drafted by 'mlops new' from {facts.rows:,} rows and {len(facts.columns)} columns: yours to change."
    yield f"name: {name}"
    yield f"description: {scalar(f'Predicts {facts.target} from the other columns of the table')}"
    yield f"owners: [{scalar(owner)}] # an e-mail address or team:name"
    yield f"problem: {facts.problem} # {_why_problem(facts)}"
    yield f"target: {scalar(facts.target)}"
    if facts.time is not None:
        how_often = "irregular" if facts.time.step is None else f"mostly every {_duration(facts.time.step)}"
        if facts.time.months:
            how_often = {1: "every month", 3: "every quarter"}.get(facts.time.months, "every year")
        yield f"timestamp: {scalar(facts.time.column)} # {facts.time.span}; {how_often}"
    if facts.entity is not None:
        yield f"entity: {scalar(facts.entity)} # time and this column tell rows apart; lags and windows never cross it"
    if facts.time is not None and facts.time.future:
        yield f"# {facts.time.future:,} rows are dated after today: only --as-of {facts.time.last} sees all of them"
    yield ""
    yield from _source(source)


def _source(source: FileSource) -> Iterator[str]:
    said = source.model_dump(mode="json", exclude_defaults=True)
    names = said.pop("names", None)
    written = {
        key: value if key == "kind" else json.dumps(value, ensure_ascii=False) for key, value in said.items()
    }
    plain = ", ".join(f"{key}: {value}" for key, value in written.items())
    if source.encoding is not None:
        yield "# The encoding is a guess: look at letters with accents."
    if names is None:
        yield f"source: {{{plain}}}"
        return
    yield "source:"
    yield from (f"  {key}: {value}" for key, value in written.items())
    yield "  names: # in place of the file's own header, which has blank, repeated or two lines of names"
    yield from (f"    - {scalar(name)}" for name in names)


def _why_problem(facts: TableFacts) -> str:
    if facts.problem == "classification":
        shown = ", ".join(f"{value} {rows:,}" for value, rows in facts.classes[:4])
        return f"{len(facts.classes)} classes ({shown}{' ...' if len(facts.classes) > 4 else ''})"
    if facts.problem == "forecasting":
        return "a regular series with few other columns"
    if facts.own_past:
        return "one reading ahead, from earlier ones; a forecast needs steps of one length, from 1s"
    whole = facts.of("target")[0].distinct <= MANY_CLASSES
    return "the target is a number" + ("; if each names a class: --problem classification" if whole else "")


def _repairs(facts: TableFacts) -> Iterator[str]:
    lines: list[str] = []
    made = [(facts.time.column, facts.time.made_of)] if facts.time and facts.time.made_of else []
    made += [(facts.entity, facts.entity_of)] if facts.entity and facts.entity_of else []
    if made:
        lines.append("combine: # columns made of others, side by side")
        lines += [f"  {scalar(name)}: {listed(parts)}" for name, parts in made]
    if facts.missing_text:
        lines.append(f"missing_text: {listed(facts.missing_text)} # words found that mean missing")
    for way in ("decimal_comma", "thousands"):
        if found := [column.name for column in facts.columns if column.writing == way]:
            lines.append(f"{way}: {listed(found)}")
    if casts := [column.name for column in facts.columns if column.cast and not column.writing]:
        lines.append(
            f"cast: {{{', '.join(f'{scalar(name)}: number' for name in casts)}}} # numbers kept as text"
        )
    if time := facts.time:
        if time.format:
            doubt = (
                f" # a guess: {json.dumps(time.days_first)} reads every value too" if time.days_first else ""
            )
            lines.append(f"timestamp_format: {json.dumps(time.format)}{doubt}")
        lines += [f"timestamp_unit: {time.unit} # since 1970; a guess by their size"] if time.unit else []
        if not time.zoned and (time.step is None or time.step < DAY):
            lines.append(
                "# timezone: Europe/Berlin # if the clock times are local; without it they count as UTC"
            )
        lines += ["missing_timestamp: drop_row"] if time.missing else []
    sentinels = {column.name: column.sentinels for column in facts.columns if column.sentinels}
    if facts.rare:
        sentinels[facts.target] = (*sentinels.get(facts.target, ()), *facts.rare)
    if sentinels:
        lines.append(
            "sentinels: # values that stand for missing"
            + ("; classes with too few rows to learn" if facts.rare else "")
        )
        lines += [f"  {scalar(name)}: {listed(values)}" for name, values in sentinels.items()]
    flagged = [column for column in facts.columns if column.flagged_by and column.role in ("input", "target")]
    if flagged:
        lines.append("# flags: # these columns look like quality flags: say which codes let a reading stand")
        lines += [
            f"#   {scalar(column.name)}: {{column: {scalar(column.flagged_by or '')}, accept: [0]}}"
            for column in flagged[:5]
        ]
    target = facts.of("target")[0]
    if target.missing or target.sentinels or facts.rare:
        lines.append(
            "missing_target: drop_row" + (f" # {target.missing:.2%} have none" if target.missing else "")
        )
    if facts.time and facts.time.repeated and (facts.entity or _is_series(facts)):
        lines.append(f"duplicates: last # {facts.time.repeated:,} rows repeat an instant")
    elif facts.drops_repeated:
        lines.append(f"duplicates: first # {facts.repeated:,} rows repeat another in every column")
    elif facts.repeated and not facts.time:
        lines.append(
            f"# duplicates: first # {facts.repeated:,} rows repeat another, as rows of few values do"
        )
    if facts.time and not facts.time.sorted:
        lines.append("sort: time")
    lines += _kept(facts)
    if all(line.startswith("#") for line in lines):
        # Only advice, or nothing: a section of comments alone would read as null.
        yield "repairs: {} # nothing to mend was found"
        yield from lines
    else:
        yield "repairs: # each is counted at every run"
        yield from (f"  {line}" for line in lines)


def _kept(facts: TableFacts) -> Iterator[str]:
    """What becomes of columns that no table of ours can keep: lists and records, and names that nobody could write."""
    unwritable = [column.name for column in facts.columns if not 1 <= len(column.name) <= LONGEST_NAME]
    odd = [
        column.name for column in facts.columns if column.kind == "other" and column.name not in unwritable
    ]
    if unwritable:
        made = [name for name in (facts.time and facts.time.column, facts.entity) if name]
        kept = dict.fromkeys(
            [*made, *(c.name for c in facts.columns if c.role != "left out" and c.kind != "other")]
        )
        gone = [
            name for name in kept if (facts.time and name in facts.time.made_of) or name in facts.entity_of
        ]
        yield f"select: {listed([name for name in kept if name not in gone])} # the others have no usable name"
    elif odd:
        yield f"drop: {listed(odd)} # lists and records, which a table cannot keep"


def _validation(facts: TableFacts) -> Iterator[str]:
    yield "validation:"
    unseen = facts.time.lost if facts.time else 0
    lost = facts.repeated if facts.drops_repeated else unseen
    rows = (facts.rows - lost) * (1 - facts.of("target")[0].missing)
    yield f"  min_rows: {max(10, _round_down(0.8 * rows))}"
    yield "  max_missing: 5%"
    if facts.time:
        yield "  # freshness: 24h # refuse to train when the newest reading is older"
        if not (facts.entity or _is_series(facts)):
            yield f"  unique_rows: false # events: {facts.time.repeated:,} rows share their instant with another"
    gaps = [c for c in (*facts.of("input"), *facts.of("target")) if c.missing >= 0.04 and c.role != "target"]
    if gaps:
        yield "  columns:"
        for column in gaps:
            yield (
                f"    {scalar(column.name)}: {{max_missing: {min(100, math.ceil(column.missing * 110) + 1)}%}} "
                f"# {column.missing:.1%} are missing"
            )


def _features(facts: TableFacts) -> Iterator[str]:
    yield "features:"
    inputs = facts.of("input")
    if inputs:
        yield "  inputs:"
        for column in inputs:
            yield f"    - {scalar(column.name)} # {_about(column)}"
    elif facts.problem == "forecasting" or facts.own_past:
        yield "  inputs: []"
    for column in facts.of("left out"):
        yield f"    # left out: {column.name}: {column.why}"
    time = facts.time
    if facts.horizon is not None and time is not None:
        yield f"  horizon: {_duration(facts.horizon)} # how far ahead; a multiple of the step between readings"
    if time is not None:
        fine = time.step is None or time.step < DAY
        calendar = "[hour, day_of_week]" if fine else "[month]" if time.months else "[day_of_week, month]"
        yield f"  calendar: {calendar}"
        if facts.problem == "forecasting" and time.step is not None:
            season = DAY / time.step
            steps = [1, 2, 3, *([int(season)] if season.is_integer() and 3 < season <= 2_000 else [])]
            windows = [_duration(time.step * 6), _duration(time.step * 24)]
            target = scalar(facts.target)
            yield f"  lags: {{columns: [{target}], steps: {listed(steps)}}}"
            yield f"  rolling: {{columns: [{target}], windows: {listed(windows)}, statistics: [mean, std]}}"
        elif facts.own_past:
            season = 12 // time.months if time.months else 0
            steps = [1, 2, 3, *([season] if season > 3 and facts.rows > 5 * season else [])]
            yield f"  lags: {{columns: [{scalar(facts.target)}], steps: {listed(steps)}}} # readings, not hours"
        else:
            yield f"  # lags: {{columns: [{scalar(inputs[0].name if inputs else facts.target)}], steps: [1, 2, 3]}}"
    yield "  scaling: standard"
    yield ""
    if facts.group is not None:
        yield f"# Rows of one {facts.group} follow each other: whole ones are set apart to judge by."
        yield f"split: {{strategy: group, group: {scalar(facts.group)}, train: 70%, validation: 15%, test: 15%}}"
        return
    how = "temporal" if time else "stratified" if facts.problem == "classification" else "random"
    if time is None:
        yield "# No column says when. If rows are in the order of time, a random split flatters the model: add a time."
    yield f"split: {{strategy: {how}, train: 70%, validation: 15%, test: 15%}}"


def _training(facts: TableFacts) -> Iterator[str]:
    simple = "logistic: {max_iter: 1000}" if facts.problem == "classification" else "ridge: {}"
    yield "training:"
    yield "  algorithms: # all are trained; the best on the validation part is compared with the champion"
    yield f"    - {simple}"
    yield f"    - lightgbm: {{num_leaves: {15 if facts.rows < 5_000 else 31}, learning_rate: 0.05, n_estimators: 200}}"
    yield "  time_limit: 30m"
    yield "  seed: 42"
    yield ""
    primary, also = _metrics(facts)
    yield "evaluation:"
    yield f"  primary: {primary}"
    yield f"  also: [{', '.join(also)}]"
    if len(facts.classes) == 2 and facts.problem == "classification":
        yield f"  positive: {json.dumps(facts.classes[1][0], ensure_ascii=False)} # the rarer class"
    if keys := [key for key in (facts.entity, facts.time and facts.time.column) if key]:
        yield f"  slices: {listed(keys)} # the report shows the error of each, as table and picture"
    if facts.seasons:
        lengths = ", ".join(map(_duration, facts.seasons))
        yield f"  seasons: [{lengths}] # the values so long before are what beats_baseline asks to beat, too"
    people = [column.name for column in facts.of("input") if _PERSONAL.match(column.name)]
    if people:
        yield f"  # sensitive: {listed(people)} # measures fairness by these; inputs only where listed above"


def _metrics(facts: TableFacts) -> tuple[str, tuple[str, ...]]:
    if facts.problem == "forecasting":
        return "mae", ("rmse", "mase")
    if facts.problem == "regression":
        return "rmse", ("mae", "r2")
    if len(facts.classes) != 2:
        return "f1", ("accuracy", "log_loss")
    rows = sum(count for _, count in facts.classes)
    rare = facts.classes[1][1] < 0.1 * rows
    return (
        ("pr_auc", ("roc_auc", "recall", "log_loss")) if rare else ("roc_auc", ("f1", "accuracy", "log_loss"))
    )


def _gates(facts: TableFacts) -> Iterator[str]:
    primary, _ = _metrics(facts)
    yield "gates: # all must pass before a challenger may become champion"
    yield f"  - beats_baseline: {{metric: {primary}}} # better than {_floor(facts)}"
    if facts.problem == "classification" and facts.time:
        # A baseline that knows two answers ranks badly by nature, however often it is right.
        yield "  - beats_baseline: {metric: log_loss} # and its probabilities worth more, not only their order"
    yield f"  - beats_champion: {{metric: {primary}, by: 2%}}"
    yield "  - no_missing_predictions"
    yield "  - min_rows"
    yield "  - time_limit"
    yield "  - latency # one row in less than 100 ms"
    twins = facts.twins - (facts.repeated if facts.drops_repeated else 0)
    if twins > 0 and facts.time is None:
        yield f"  # - leakage # would fail: {twins:,} rows equal another in every column used"
    else:
        yield "  - leakage"
    yield ""
    yield 'schedules: {retrain: "0 2 * * 0", data_quality: "30 0 * * *", timezone: UTC}'


def _floor(facts: TableFacts) -> str:
    if facts.problem == "classification":
        return "the class before, if labels are known by then" if facts.time else "the most frequent class"
    if facts.problem == "regression":
        return "the mean of the training rows"
    return "the value now" + (" and those of the seasons before" if facts.seasons else "")


def _is_series(facts: TableFacts) -> bool:
    """Whether time alone (or with the entity) tells rows apart, but for a few repeated rows, in steps of a kind."""
    time = facts.time
    steady = time is not None and (time.regular >= STEADY or time.months is not None)
    return time is not None and steady and time.repeated <= 0.02 * facts.rows


def _about(column: ColumnFacts) -> str:
    words = [column.kind if not column.span else f"{column.kind}, {column.span}"]
    words += [f"{column.missing:.1%} missing"] if column.missing else []
    words += [column.note] if column.note else []
    return "; ".join(words)


def _round_down(value: float) -> int:
    """Two digits that mean something: 36,412 is 36,000."""
    whole = int(value)
    dropped = max(0, len(str(whole)) - 2)
    return int(str(whole)[: len(str(whole)) - dropped] + "0" * dropped)


def _duration(value: timedelta) -> str:
    return format_duration(max(value, timedelta(seconds=1)))
