#!/bin/sh
# Adds PyTorch and safetensors (the extra `deep`) to an environment: deep.sh FOLDER
# They lie in a folder of their own, of which the environment is told at the very end: an installation that is
# interrupted leaves the environment as it was. What is installed already, in whatever way, is kept.
set -eu
cd "$(dirname "$0")/.."

environment=$1
python=$environment/bin/python
folder=$environment/deep
tools=$environment/.tools-deep
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "$*" >&2; }

missing=
"$python" -c 'import torch' 2>/dev/null || missing="torch==2.13.0"
"$python" -c 'import safetensors' 2>/dev/null || missing="$missing safetensors>=0.5"
if [ -z "$missing" ]; then
    say 'PyTorch is there.'
    exit
fi

trap 'rm -rf "$tools"' EXIT
trap 'exit 130' INT TERM
say "Installing $missing: the default build of PyTorch may be large, CONTRIBUTING.md says how to choose another."
rm -rf "$folder"
"$python" -m venv --clear "$tools"
# shellcheck disable=SC2086 # each is a word of its own
"$tools/bin/python" -m pip --python "$python" install --quiet --no-compile --target "$folder" $missing
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -c 'import os, sys; print(os.path.abspath(sys.argv[1]))' "$folder" >"$site/deep.unfinished"
mv "$site/deep.unfinished" "$site/deep.pth"
