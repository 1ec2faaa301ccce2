"""What services log: sentences for people, or with `MLOPS_LOG_FORMAT=json` one JSON object per line for collectors.

Comes in: log records, and the id of the request that is served. Goes out: lines on the standard error.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

from typing_extensions import override

FORMAT: Final = "MLOPS_LOG_FORMAT"
REQUESTS: Final = "MLOPS_LOG_REQUESTS"
REQUEST_LOGGER: Final = "mlops_assets.requests"
FIELDS: Final = "fields"
"""Key of `extra` with further fields of a line: `logger.info("served", extra={FIELDS: {"status": 200}})`."""

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Id of the request that this context serves."""


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON: at, level, logger, message, request_id, exception, and its own fields."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        line |= getattr(record, FIELDS, {})
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """A log record as a sentence, with the id of the request and its own fields behind it."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it the traceback of an exception."""
        fields = {**getattr(record, FIELDS, {})}
        if (current := request_id.get()) is not None:
            fields = {"request_id": current, **fields}
        behind = "".join(f" {name}={_printable(value)}" for name, value in fields.items())
        text = f"{record.levelname}: {record.getMessage()}{behind}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _printable(value: Any) -> str:
    """Return a value on one line: a caller chooses the path of a request, and must not write lines of its own."""
    text = str(value)
    return text if text.isprintable() else repr(text)


def configure(environ: Mapping[str, str]) -> None:
    """Set up the logging of a service, once, at its start.

    Args:
        environ: Environment variables; `MLOPS_LOG_FORMAT` is `text` (default) or `json`. Another value means
            text, with a warning: a service that does not start has no log at all.
    """
    formatters: dict[str, type[logging.Formatter]] = {"text": TextFormatter, "json": JsonFormatter}
    chosen = environ.get(FORMAT) or "text"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatters.get(chosen, TextFormatter)())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(REQUEST_LOGGER).setLevel(logging.INFO)
    if chosen not in formatters:
        logging.getLogger(__name__).warning("%s is %r; write %s", FORMAT, chosen, " or ".join(formatters))


def logs_requests(environ: Mapping[str, str]) -> bool:
    """Return whether every request has a line in the log.

    Args:
        environ: Environment variables; `MLOPS_LOG_REQUESTS` is `on`, anything else is off.

    Returns:
        False unless it is on.
    """
    return environ.get(REQUESTS) == "on"
