"""The `source:` and `repairs:` sections: where readings come from, and which defects are repaired on the way in.

A source is one class here (its parameters, its docstring for the schema and the docs table) with its line in `SOURCES`,
and one reader in `readings.sources`. The union of the model file, the JSON schema and the table in docs/readings.md are
built from the dict. The reader is there because it returns frames, which this layer does not know. Secrets never
stand here: a source names the environment variable of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeAlias, Union

from pydantic import Field, JsonValue, model_validator

from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.model_file.section import Section
from mlops_assets.model_file.source_parameters import SourceParameters, Windowed
from mlops_assets.model_file.values import Column, Duration, Unit

EnvironmentName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,127}$")]
Plain = str | int | float | bool
Simulator = Literal["pump_station", "ad_sales", "cloud_workload"]


class SqlSource(Windowed):
    """A table or a query of a database that SQLAlchemy can reach."""

    kind: Literal["sql"]
    table: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        None, examples=["readings_wide"]
    )
    """A table or view, `schema.table` where it has a schema."""
    query: Annotated[str, Field(min_length=1, max_length=20_000)] | None = Field(
        None, examples=["select * from readings where site = 3"]
    )
    """One SELECT statement, in place of `table`."""
    url_env: EnvironmentName | None = Field(None, examples=["PLANT_DATABASE_URL"])
    """Environment variable with the database's SQLAlchemy URL; unset means the platform's readings database."""
    simulate: Simulator | None = None
    """Keep the table filled by this simulator, in the embedded local database only."""

    @model_validator(mode="after")
    def _table_or_query(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("a sql source needs exactly one of 'table' and 'query'")
        if self.simulate and (self.table is None or self.url_env is not None):
            raise ValueError(
                "'simulate' fills a 'table' of the platform's own database: remove 'query' and 'url_env'"
            )
        return self


class FileSource(Windowed):
    """One file, a folder or a glob pattern, local or s3://; several files are stacked by column name."""

    kind: Literal["file"]
    path: Annotated[str, Field(min_length=1, max_length=1_000, examples=["data/*.parquet"])]
    """Relative paths start at the folder the command runs in. Examples: data/a.csv, data/, data/*.parquet, s3://bucket/a/*.json"""
    format: Literal["csv", "tsv", "parquet", "arrow", "xlsx", "json", "jsonl", "avro"] | None = None
    """Unset: by the file's ending; `.gz` and a `.zip` with one file in it are unpacked."""
    sheet: Annotated[str, Field(min_length=1, max_length=31)] | None = Field(None, examples=["Readings"])
    """For an Excel workbook: the sheet; unset means the first."""
    encoding: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]+$")] | None = Field(None, examples=["cp1252"])
    """Text encoding; unset means UTF-8, or UTF-16 when the file begins with its byte order mark."""
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(None, examples=[";"])
    """One character; unset means comma (tab for tsv)."""
    skip_lines: Annotated[int, Field(ge=0, le=1_000), Unit("lines")] = Field(0, examples=[2])
    """Lines above the header line (rows of a sheet)."""
    skip_footer: Annotated[int, Field(ge=0, le=1_000), Unit("rows")] = Field(0, examples=[1])
    """Rows below the data that are no data, such as totals and notes (CSV, TSV and Excel); counted."""
    header: bool = True
    """False: the first line is data and columns are named column_1, column_2, ..."""
    names: tuple[Column, ...] | None = Field(None, examples=[["time", "flow", "pressure"]])
    """Column names in place of a header line, left to right; needs `header: false`."""
    ragged: Literal["refuse", "pad", "drop"] = "refuse"
    """Lines with too few or too many fields: refuse the file, pad with missing and cut, or drop them; both counted."""
    trim: bool = False
    """Strip spaces around names and values, drop columns without name and value; counted."""

    @model_validator(mode="after")
    def _names_or_header(self) -> Self:
        if self.names is not None and self.header:
            raise ValueError(
                "'names' stand in place of a header line: add 'header: false', and skip the line if there is one"
            )
        if self.names is not None and len(set(self.names)) < len(self.names):
            raise ValueError("'names' has the same name twice")
        return self


class SampleSource(SourceParameters):
    """A small public data set that comes with scikit-learn."""

    kind: Literal["sample"]
    name: Literal["wine", "breast_cancer", "diabetes"]
    """The data set."""


class SimulatedSource(Windowed):
    """Rows made by one of our simulators, the same for the same seed and instant whatever the interval."""

    kind: Literal["simulated"]
    simulator: Simulator
    """Which simulator makes the rows."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1), Unit("none")] = 42
    """Seed of the random numbers: the same seed gives the same rows."""
    params: dict[str, JsonValue] = {}
    """Parameters of the simulator, by name."""


class Paging(Section):
    """How a REST source gives one page after another."""

    style: Literal["page", "offset", "cursor", "link"] = "page"
    """page: 1, 2, 3 ...; offset: rows to skip; cursor: a token in the body; link: the HTTP header Link rel=next."""
    param: Annotated[str, Field(min_length=1)] = "page"
    """Query parameter that carries the page number, offset or cursor."""
    size_param: str | None = Field(None, examples=["per_page"])
    """Query parameter that carries `size`; unset sends none."""
    size: Annotated[int, Field(ge=1, le=100_000), Unit("rows")] = 1_000
    """Rows per page requested. Reading ends at an empty page, or at a short one after a full one."""
    cursor: str | None = Field(None, examples=["meta.next"])
    """Dotted path of the next cursor in the body; absent, null or empty means the end."""


class RestSource(Windowed):
    """JSON records over HTTP, page by page."""

    kind: Literal["rest"]
    url: Annotated[
        str, Field(pattern=r"^https?://[^\s@]+$", max_length=2_000, examples=["https://example.com/readings"])
    ]
    """Address of the first page, without user, password or key."""
    records: str | None = Field(None, examples=["data.items"])
    """Dotted path of the list in the body; unset means the body is the list."""
    params: dict[str, Plain] = Field({}, examples=[{"site": 3}])
    """Query parameters of every request, without secrets."""
    key_env: EnvironmentName | None = Field(None, examples=["PLANT_API_KEY"])
    """Environment variable with the API key."""
    key_header: str = "Authorization"
    """HTTP header that carries the API key."""
    key_prefix: str = "Bearer "
    """Text before the key in that header."""
    since_param: str | None = Field(None, examples=["since"])
    """Query parameter for the start of the window or the watermark, as ISO 8601 in UTC."""
    paging: Paging | None = Field(
        None, examples=[{"style": "cursor", "param": "after", "cursor": "meta.next"}]
    )
    """How further pages are requested; unset means that one response has all records."""
    timeout: Duration = Field(default="30s", validate_default=True)
    """Longest wait for one response."""
    retries: Annotated[int, Field(ge=0, le=10), Unit("tries")] = 4
    """Further tries after a lost connection, HTTP 429 or 5xx, with growing pauses; other responses fail at once."""
    max_pages: Annotated[int, Field(ge=1, le=1_000_000), Unit("pages")] = 10_000
    """More pages than this refuse the read: a server that never ends must not fill the memory."""


class MongoSource(Windowed):
    """Documents of one MongoDB collection; nested fields become `outer.inner`."""

    kind: Literal["mongo"]
    url_env: Annotated[EnvironmentName, Field(examples=["PLANT_MONGO_URL"])]
    """Environment variable with the `mongodb://` address."""
    database: Annotated[str, Field(min_length=1, examples=["plant"])]
    """Name of the database."""
    collection: Annotated[str, Field(min_length=1, examples=["readings"])]
    """Name of the collection."""
    filter: dict[str, JsonValue] = Field({}, examples=[{"site": 3}])
    """A MongoDB query that the documents must match, besides the window."""
    fields: tuple[Column, ...] | None = Field(None, examples=[["time", "flow"]])
    """Fields to read; unset reads whole documents."""


class KafkaSource(Windowed):
    """JSON messages of one Kafka topic, from the start of the window to the topic's end at the time of reading."""

    kind: Literal["kafka"]
    servers: Annotated[tuple[str, ...], Field(min_length=1, examples=[["kafka.example.com:9092"]])]
    """Bootstrap servers, as host:port."""
    topic: Annotated[str, Field(min_length=1, examples=["readings"])]
    """Name of the topic."""
    options: dict[str, str] = Field({}, examples=[{"security.protocol": "SASL_SSL"}])
    """Further librdkafka properties without secrets, such as security.protocol."""
    username_env: EnvironmentName | None = Field(None, examples=["KAFKA_USER"])
    """Environment variable with the SASL user name."""
    password_env: EnvironmentName | None = Field(None, examples=["KAFKA_PASSWORD"])
    """Environment variable with the SASL password."""
    timeout: Duration = Field(default="60s", validate_default=True)
    """Give up when the broker is silent for so long."""
    bad_messages: Literal["refuse", "drop"] = "refuse"
    """Messages that are not JSON objects: refuse the read, or drop and count them."""


class KinesisSource(Windowed):
    """JSON records of one Amazon Kinesis stream, all shards, credentials as boto3 finds them."""

    kind: Literal["kinesis"]
    stream: Annotated[str, Field(min_length=1, examples=["readings"])]
    """Name of the stream."""
    region: Annotated[str, Field(min_length=1, examples=["eu-central-1"])]
    """AWS region of the stream."""
    endpoint: str | None = Field(None, examples=["http://localhost:4566"])
    """Address of another server with the same API; unset means that of AWS."""
    bad_messages: Literal["refuse", "drop"] = "refuse"
    """Records that are not JSON objects: refuse the read, or drop and count them."""


SOURCES: Final[dict[str, type[SourceParameters]]] = {
    "sql": SqlSource,
    "file": FileSource,
    "sample": SampleSource,
    "simulated": SimulatedSource,
    "rest": RestSource,
    "mongo": MongoSource,
    "kafka": KafkaSource,
    "kinesis": KinesisSource,
}
"""Every single source by the kind that a model file writes; `joined` puts several of them together."""


def source_union(sources: Mapping[str, type[SourceParameters]]) -> Any:
    """Return the type that pydantic reads a source with: the member whose `kind` fits.

    Args:
        sources: Parameter classes by kind.

    Returns:
        An annotated union of the sources' classes.
    """
    members: Any = Union[tuple(sources.values())]  # noqa: UP007 - built at run time
    return Annotated[members, Field(discriminator="kind")]


def source_table(sources: Mapping[str, type[SourceParameters]]) -> str:
    """Return the Markdown table of docs/readings.md: kind, what it reads, its keys.

    Args:
        sources: Parameter classes by kind.

    Returns:
        Markdown.
    """
    rows = [
        f"| `{kind}` | {(source.__doc__ or '').strip().splitlines()[0].rstrip('.')} | {_keys(source)} |"
        for kind, source in sources.items()
    ]
    return "\n".join(["| kind | reads | keys |", "| --- | --- | --- |", *rows]) + "\n"


def _keys(source: type[SourceParameters]) -> str:
    own = {
        name: field for name, field in source.model_fields.items() if name not in ("kind", "limits", "window")
    }
    return ", ".join(f"`{name}`{'' if field.is_required() else ' (optional)'}" for name, field in own.items())


if TYPE_CHECKING:
    Single: TypeAlias = SourceParameters
else:
    Single = source_union(SOURCES)


class Join(Section):
    """One more source, matched to the first on equal columns or on the last reading before."""

    source: Single = Field(examples=[{"kind": "file", "path": "data/weather.csv"}])
    """The source to join; every kind but `joined`."""
    repairs: RepairsSpec = RepairsSpec()
    """Cleaning steps of this source before the join."""
    timestamp: Column | None = Field(None, examples=["measured_at"])
    """Timestamp column of this source; unset means the model file's."""
    on: tuple[Column, ...] = Field((), examples=[["pump_id"]])
    """Columns that must be equal on both sides; with `asof`, equal in addition to the time."""
    how: Literal["left", "inner"] = "left"
    """left: keep rows without a match, with missing values; inner: drop them."""
    asof: Duration | None = Field(None, examples=["1h"])
    """Match the newest reading not later than the row and not older than this."""
    available: Column | None = Field(None, examples=["received_at"])
    """Column of this source with the instant from which a reading is known, where readings arrive late; with `asof`."""
    prefix: str = Field("", examples=["weather_"])
    """Put before every column taken from this source, the keys excepted."""

    @model_validator(mode="after")
    def _keys(self) -> Self:
        if not self.on and self.asof is None:
            raise ValueError("a join needs 'on' columns, 'asof', or both")
        if self.available is not None and self.asof is None:
            raise ValueError("'available' says when a reading became known: it needs 'asof'")
        return self


class JoinedSource(SourceParameters):
    """Several sources joined; rows are those of `first`."""

    kind: Literal["joined"]
    first: Single = Field(examples=[{"kind": "file", "path": "data/pumps.csv"}])
    """The source whose rows stay; every kind but `joined`."""
    repairs: RepairsSpec = RepairsSpec()
    """Repairs of `first` before joining; those of the model file run on the joined rows."""
    join: Annotated[tuple[Join, ...], Field(min_length=1)] = Field(
        examples=[[{"source": {"kind": "file", "path": "data/weather.csv"}, "asof": "1h"}]]
    )
    """The sources to add, one after the other."""


if TYPE_CHECKING:
    Source: TypeAlias = SourceParameters
else:
    Source = source_union({**SOURCES, "joined": JoinedSource})
