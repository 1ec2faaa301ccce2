#!/bin/sh
# Rewrites the locks from pyproject.toml: names, versions and hashes, for every platform and Python 3.11 to 3.13.
# `all` is resolved first and constrains the others, so that one package has one version everywhere.
# The extra `deep` stays outside: the index's builds of PyTorch for Linux bring gigabytes of GPU libraries,
# and which build is right depends on the machine.
set -eu
cd "$(dirname "$0")/.."

uv=${UV:-uv}
# Extras that have tests. Left out: what can only be tried against somebody's cloud, and Google's SQL dialect, which
# replaces functions of SQLAlchemy for the whole process.
tested='--extra avro --extra boosting --extra celery --extra excel --extra feast --extra forecast --extra mysql
    --extra onnx --extra kafka --extra kinesis --extra mongo --extra prophet --extra s3 --extra search'
extras=$(${PYTHON:-python3} - <<'PY'
import tomllib
with open("pyproject.toml", "rb") as file:
    extras = tomllib.load(file)["project"]["optional-dependencies"]
print(*(f"--extra {name}" for name in sorted(extras) if name != "deep"))
PY
)

compile() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links "$@"
}

upgrade=
if [ "${1:-}" = "--upgrade" ]; then upgrade=--upgrade; fi

# shellcheck disable=SC2086  # words are meant to be split
compile pyproject.toml $extras --group dev --group build --constraints requirements/limits.in $upgrade \
    --output-file requirements/all.txt
compile pyproject.toml --group build --constraints requirements/all.txt --output-file requirements/default.txt
# shellcheck disable=SC2086
compile pyproject.toml $tested --group dev --group build --constraints requirements/all.txt \
    --output-file requirements/dev.txt
compile --group pyproject.toml:docs --output-file requirements/docs.txt
echo uv | compile - --constraints requirements/all.txt --output-file requirements/uv.txt

if grep -E '^(nvidia-|cuda-|triton|torch==)' requirements/*.txt; then
    echo 'The lock names GPU libraries: find out what brings them.' >&2
    exit 1
fi
if grep -E '://|^(--|-[a-z])|@ ' requirements/*.txt; then
    echo 'The lock names an address or an option: it holds names, versions and hashes only.' >&2
    exit 1
fi
