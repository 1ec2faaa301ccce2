#!/bin/sh
# Makes or mends a virtual environment: install.sh FOLDER LOCK
# Every package comes from the lock, which is complete, with its hash. The project itself is installed editable, so that
# `mlops` is a command.
# An environment whose last installation did not end is made anew. Nothing outside FOLDER is written, but for caches.
set -eu
cd "$(dirname "$0")/.."

environment=$1
lock=$2
python=$environment/bin/python
unfinished=$environment/.unfinished
tools=$environment/.tools
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    if [ -n "${PYTHON:-}" ]; then
        say "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13."
    else
        say 'No Python 3.11, 3.12 or 3.13 was found on the PATH.'
        say 'On Debian or Ubuntu:  apt-get install python3 python3-venv libgomp1'
        say 'One that lies elsewhere:  make PYTHON=/where/it/is/python3.12 ...'
    fi
    return 1
}

# What pip cannot bring. All of it is named at once, so that one apt-get mends it.
look_for_system_packages() {
    packages=
    "$1" -c 'import ensurepip, venv' 2>/dev/null || packages="python3-venv"
    # LightGBM's wheel expects the system's OpenMP, which a machine without a compiler may lack.
    if [ "$(uname -s)" = Linux ] && ! "$1" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null; then
        packages="${packages:+$packages }libgomp1"
    fi
    if [ -n "$packages" ]; then
        say "This machine lacks what only its package manager can install. On Debian or Ubuntu:"
        say "    apt-get install $packages"
        return 1
    fi
}

make_environment() {
    interpreter=$(find_python)
    look_for_system_packages "$interpreter"
    say "Making $environment with $("$interpreter" --version)."
    "$interpreter" -m venv --clear --without-pip "$environment"
}

with_uv() {
    uv=$(command -v "$environment/bin/uv" || command -v uv || true)
    if [ -z "$uv" ]; then
        "$tools/bin/python" -m pip install --quiet --require-hashes --requirement requirements/uv.txt || return 1
        uv=$tools/bin/uv
    fi
    # Its own certificates know the public index, the system's also know a company's.
    "$uv" pip install --quiet --python "$python" --require-hashes --no-deps --requirement "$lock" 2>"$tools/uv.log" ||
        "$uv" --system-certs pip install --quiet --python "$python" --require-hashes --no-deps \
            --requirement "$lock" 2>>"$tools/uv.log" || return 1
    "$uv" pip install --quiet --offline --python "$python" --no-deps --no-build-isolation --editable .
}

with_pip() {
    pip="$tools/bin/python -m pip --python $python"
    $pip install --quiet --no-compile --require-hashes --no-deps --requirement "$lock" &&
        $pip install --quiet --no-compile --no-deps --no-build-isolation --editable .
}

# Two calls at once: the second waits for the first.
while [ -e "$unfinished" ] && kill -0 "$(cat "$unfinished")" 2>/dev/null; do sleep 1; done

if [ -e "$unfinished" ]; then
    say "The last installation into $environment did not end; starting again."
    make_environment
elif ! "$python" -c '' 2>/dev/null; then
    make_environment
fi
echo $$ >"$unfinished"

say "Installing what $lock lists (a minute or two the first time)."
# pip and uv are of use only now; in a folder of their own they can go at the end, 80 MB with them.
"$python" -m venv --clear "$tools"
if ! with_uv; then
    [ ! -s "$tools/uv.log" ] || tail -n 3 "$tools/uv.log" >&2
    say 'uv could not install it; trying pip, which is slower.'
    with_pip
fi
rm -rf "$tools" "$unfinished"
