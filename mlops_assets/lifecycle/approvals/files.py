"""Verdicts merged through code review: `approvals/<model>.yaml` next to the models folder, read repeatedly.

Comes in: files. Goes out: one line per file; the verdicts themselves go through `verdicts.give_verdict`. A file is
strict YAML:

    evidence: <the 64 characters of the hash>
    verdict: approve            # or reject, or defer
    by: ann@example.com
    comment: why
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlops_assets.artifacts import digest
from mlops_assets.errors import MlopsError
from mlops_assets.lifecycle.alerts import send_alert
from mlops_assets.lifecycle.approvals.verdicts import LONGEST_COMMENT, give_verdict
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.model_file import ModelSpec, find_model
from mlops_assets.model_file.document import DocumentError, parse
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.settings import Settings

VARIABLE: Final = "MLOPS_APPROVALS"


class ApprovalFile(BaseModel):
    """What stands in a file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    evidence: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    verdict: Literal["approve", "reject", "defer"]
    by: Annotated[str, Field(min_length=1, max_length=200)]
    comment: Annotated[str, Field(max_length=LONGEST_COMMENT)] = ""


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one file. news: it was not known before."""

    file: Path
    model: str
    accepted: bool
    sentence: str
    news: bool = True


def folder(settings: Settings) -> Path:
    """Return the folder of approval files: `MLOPS_APPROVALS`, or `approvals` next to the models folder.

    Args:
        settings: Settings of the installation.

    Returns:
        The folder; it need not exist.
    """
    return Path(settings.environ.get(VARIABLE) or settings.models.parent / "approvals")


def verdicts_from_files(specs: Sequence[ModelSpec], platform: Platform, run: Run) -> tuple[FileResult, ...]:
    """Act on every approval file; a file whose verdict is recorded already reports that and changes nothing.

    Args:
        specs: All model files of the installation.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        One result per file, in the order of file names.
    """
    by_name = {spec.name: spec for spec in specs}
    approvals_folder = folder(platform.settings)
    files = sorted([*approvals_folder.glob("*.yaml"), *approvals_folder.glob("*.yml")])
    return tuple(_apply(file, by_name, platform, run) for file in files)


def _apply(file: Path, by_name: dict[str, ModelSpec], platform: Platform, run: Run) -> FileResult:
    model = file.stem
    if model not in by_name:
        return FileResult(file, model, False, f"there is no model {model!r}{did_you_mean(model, by_name)}")
    try:
        verdict = read(file)
        known = platform.ledger.approval(verdict.evidence)
        if known is not None and (known.verdict, known.actor) == (verdict.verdict, verdict.by):
            return FileResult(
                file,
                model,
                True,
                f"'{verdict.verdict}' by {verdict.by} is recorded already",
                news=False,
            )
        who = replace(run, actor=verdict.by)
        done = give_verdict(
            by_name[model],
            platform,
            who,
            verdict.verdict,
            verdict.comment,
            evidence_hash=verdict.evidence,
        )
    except (MlopsError, ValueError) as error:
        return FileResult(file, model, False, str(error))
    except Exception as error:  # noqa: BLE001 one file, whatever is wrong with it, keeps no other from being read
        return FileResult(file, model, False, f"{type(error).__name__}: {error}")
    return FileResult(file, model, True, f"version {done.record.version}: {done.record.decision.reason}")


def read(file: Path) -> ApprovalFile:
    """Read one approval file.

    Args:
        file: A YAML file.

    Returns:
        The verdict in the file.

    Raises:
        ValueError: With every problem of the file in one sentence.
    """
    try:
        document = parse(file.read_text(encoding="utf-8-sig"))
        return ApprovalFile.model_validate_json(json.dumps(document.value))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be read: {error}") from None
    except DocumentError as error:
        raise ValueError(f"line {error.line}: {error.reason}") from None
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in one['loc']) or 'the file'}: "
            + (
                "unknown key" + did_you_mean(str(one["loc"][-1]), ApprovalFile.model_fields)
                if one["type"] == "extra_forbidden"
                else one["msg"]
            )
            for one in error.errors()
        ]
        raise ValueError("; ".join(problems)) from None


def alert_about(read: FileResult, platform: Platform, run: Run) -> bool:
    """Send an alert about a file that was not accepted, once per content of the file.

    Args:
        read: Result of reading the file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        True for the first alert about this content.
    """
    try:
        content = read.file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        content = ""
    key = f"approval-file-{digest({'file': read.file.name, 'content': content, 'why': read.sentence})[:24]}"
    known = find_model(platform.settings.models, read.model)
    return send_alert(
        platform,
        "approval_file",
        f"{read.file.name} was not accepted: {read.sentence}",
        key=key,
        spec=known[1] if known else None,
        model=read.model,
        at=run.now(),
    )
