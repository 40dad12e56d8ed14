# shellcheck shell=bash
# Sourced: `source _env.sh EXTRA` leaves `python` with this project and its extra EXTRA installed, and sets `root`.
# Uses the virtual or conda environment that is active; where none is, makes .venv beside pyproject.toml.

set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
extra="$1"

fail() {
    printf 'localspike: %s\n' "$*" >&2
    exit 1
}

is_recent() {
    "$@" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

make_venv() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        # A version manager's shim can be on the PATH and still not run: ask it, do not only look for it.
        is_recent "$candidate" || continue
        printf 'localspike: making %s with %s\n' "$root/.venv" "$("$candidate" --version)" >&2
        "$candidate" -m venv --clear "$root/.venv" ||
            fail "$candidate cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv"
        return
    done
    fail "needs Python 3.11 or newer; python3 is $(python3 --version 2>/dev/null || echo 'not installed')." \
        "Install one, or activate an environment that has it"
}

if [[ -z "${VIRTUAL_ENV:-}" && -z "${CONDA_PREFIX:-}" ]]; then
    [[ -x "$root/.venv/bin/python" ]] || make_venv
    # shellcheck disable=SC1091
    source "$root/.venv/bin/activate"
fi
is_recent python ||
    fail "needs Python 3.11 or newer; the environment ${VIRTUAL_ENV:-${CONDA_PREFIX:-}} has" \
        "$(python --version 2>&1 || true). Deactivate it, or make it anew"

# The stamp in the environment: a hash of pyproject.toml and of where it lies, then the extras installed from it.
stamp="$(python -c 'import sys; print(sys.prefix)')/.localspike-installed"
wanted="$(python -c 'import hashlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
print(hashlib.sha256(str(root).encode() + (root / "pyproject.toml").read_bytes()).hexdigest())' "$root")"
if [[ ! -f "$stamp" || "$(head -n 1 "$stamp")" != "$wanted" ]] || ! grep -qxF -- "$extra" "$stamp"; then
    printf 'localspike: installing localspike[%s] and what it needs (a few minutes, once)\n' "$extra" >&2
    python -m pip --version >/dev/null 2>&1 || python -m ensurepip >/dev/null ||
        fail "the environment $(dirname -- "$stamp") has no pip. Install pip in it, or deactivate it"
    (cd -- "$root" && python -m pip install -qq --disable-pip-version-check --editable ".[$extra]") ||
        fail "installing localspike[$extra] failed; the message above is pip's"
    if [[ ! -f "$stamp" || "$(head -n 1 "$stamp")" != "$wanted" ]]; then
        printf '%s\n' "$wanted" >"$stamp"
    fi
    printf '%s\n' "$extra" >>"$stamp"
fi
