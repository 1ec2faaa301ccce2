#!/bin/sh
# Makes or mends a virtual environment: install.sh FOLDER LOCK...
# Every package comes from a lock with its hash; the project itself is installed editable, so that `mlops` is a command.
# An environment whose last installation did not end is made anew.
set -eu
cd "$(dirname "$0")/.."

environment=$1
shift
unfinished=$environment/.unfinished
tools=$environment/.tools
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
        # A version that the user named is the only one looked at.
        if [ -n "${PYTHON:-}" ]; then break; fi
    done
    if [ -n "${PYTHON:-}" ]; then
        say "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13."
    else
        say 'No Python 3.11, 3.12 or 3.13 was found on the PATH.'
        say 'On Debian or Ubuntu:  apt-get install python3 python3-venv'
        say 'One that lies elsewhere:  make PYTHON=/where/it/is/python3.12 ...'
    fi
    return 1
}

make_environment() {
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        say "$python cannot make virtual environments: the module venv or ensurepip is missing."
        say "On Debian or Ubuntu:  apt-get install python3-venv    (or python$version-venv)"
        return 1
    fi
    say "Making $environment with $("$python" --version)."
    "$python" -m venv --clear "$environment"
}

# Two calls at once: the second waits for the first.
while [ -e "$unfinished" ] && kill -0 "$(cat "$unfinished")" 2>/dev/null; do sleep 1; done

if [ -e "$unfinished" ]; then
    say "The last installation into $environment did not end; starting again."
    make_environment
elif ! "$environment/bin/python" -m pip --version >/dev/null 2>&1; then
    make_environment
fi
echo $$ >"$unfinished"

python=$environment/bin/python
requirements=
for lock in "$@"; do requirements="$requirements -r $lock"; done

with_uv() {
    uv=$(command -v "$environment/bin/uv" || command -v uv || true)
    if [ -z "$uv" ]; then
        # Sixty megabytes that are of use only now: a folder of its own, removed at the end.
        "$python" -m pip install --quiet --require-hashes --no-deps --target "$tools" -r requirements/uv.txt || return 1
        uv=$tools/bin/uv
    fi
    # shellcheck disable=SC2086
    "$uv" pip install --quiet --python "$python" --require-hashes $requirements &&
        "$uv" pip install --quiet --python "$python" --no-deps --no-build-isolation --editable .
}

with_pip() {
    # shellcheck disable=SC2086
    "$python" -m pip install --quiet --require-hashes $requirements &&
        "$python" -m pip install --quiet --no-deps --no-build-isolation --editable .
}

say "Installing $* (a few minutes the first time)."
if ! with_uv; then
    say 'uv could not install them; trying pip.'
    with_pip
fi
rm -rf "$tools" "$unfinished"
