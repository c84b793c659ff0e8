# shellcheck shell=sh disable=SC2034
# What the scripts beside this file share. It is sourced, never run.
#
# The home belongs to the service user, so root reads, writes and runs nothing in it except as that user (as_user):
# whoever takes Jarvis over has not taken the host over.

umask 077
# Where the installation says what it is; a trial installation has one of its own.
CONF=${JARVIS_INSTALL_CONF:-/etc/jarvis/install.conf}
JARVIS_USER=
JARVIS_PYTHON=python3
JARVIS_ARCHIVE=
GIVEN_SOURCE=${JARVIS_SOURCE-}
JARVIS_SOURCE=
JARVIS_CREDENTIALS=
JARVIS_SETTINGS=
SERVICE=jarvis.service
SOCKET=jarvis.socket
IS_INSTALLED=
is_stopped=
# Seconds a new start may take before it counts as failed, and the old one after that; releases that are kept.
READY_SECONDS=${READY_SECONDS:-60}
BACK_SECONDS=120
KEPT_RELEASES=5

say() {
    printf '%s\n' "$*"
}

complain() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    code=$1
    shift
    complain "$@"
    exit "$code"
}

# The head of the script: its comment, from the third line to the first that is none.
usage() {
    sed -n '3,/^[^#]/s/^# \{0,1\}//p' "$0"
}

# The settings that root decides, as the service is given them: NAME=VALUE lines, with or without quotes.
export_settings() {
    [ -r "$1" ] || return 0
    while IFS= read -r line || [ -n "$line" ]; do
        name=${line%%=*}
        value=${line#*=}
        case $name in
            "$line" | '' | [!A-Z]* | *[!A-Z0-9_]*) continue ;;
        esac
        case $value in
            \"*\") value=${value#\"} value=${value%\"} ;;
            \'*\') value=${value#\'} value=${value%\'} ;;
        esac
        export "$name=$value"
    done <"$1"
}

# Read what was installed; without an installation the person who calls is the one Jarvis runs as.
load_conf() {
    if [ -f "$CONF" ]; then
        case $(stat -c '%u %A' "$CONF") in
            "0 "?????-??-? | "$(id -u) "?????-??-?) ;;
            *) die 78 "$CONF must be owned by root, and writable by nobody else" ;;
        esac
        # shellcheck disable=SC1090
        . "$CONF"
        JARVIS_SOURCE=${GIVEN_SOURCE:-$JARVIS_SOURCE}
        export_settings "$JARVIS_SETTINGS"
        IS_INSTALLED=1
    else
        JARVIS_SOURCE=$GIVEN_SOURCE
        JARVIS_USER=$(id -un)
        JARVIS_HOME=${JARVIS_HOME:-${XDG_DATA_HOME:-${HOME:-/root}/.local/share}/jarvis}
        for JARVIS_ARCHIVE in "${JARVIS_PYZ-}" "$HERE/jarvis.pyz" "$HERE/../jarvis.pyz"; do
            [ ! -f "$JARVIS_ARCHIVE" ] || break
        done
    fi
}

need_authority() {
    [ "$(id -u)" = 0 ] || [ "$(id -un)" = "$JARVIS_USER" ] || die 77 "needs root: sudo $0 …"
}

# Run something as the service user.
as_user() {
    if [ "$(id -un)" = "$JARVIS_USER" ]; then
        "$@"
    else
        runuser -u "$JARVIS_USER" -- "$@"
    fi
}

# Jarvis's command line as the service user runs it, from the archive named first.
jarvis_of() {
    archive=$1
    shift
    (cd / && as_user env JARVIS_HOME="$JARVIS_HOME" "$JARVIS_PYTHON" -I -S "$archive" "$@")
}

# A file of root's, or of whoever calls, copied to a name in the home; nobody sees it half.
put_file() {
    # shellcheck disable=SC2016
    as_user sh -c 'umask 077 && cat >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "${1%/*}"' sh "$2" <"$1"
}

sha_of() {
    as_user sha256sum <"$1" | cut -c1-12
}

# Like 0.1.0-1f2e3d4c5b6a: how a kept release is named.
release_of() {
    version=$(jarvis_of "$1" --version | awk 'NR == 1 { print $2 }' | tr -cd 'A-Za-z0-9.+_-')
    say "${version:-unknown}-$(as_user sha256sum "$1" | cut -c1-12)"
}

# Keep the installed archive under its release, the newest few of them.
keep_release() {
    kept=$JARVIS_HOME/releases/$(release_of "$JARVIS_ARCHIVE").pyz
    as_user mkdir -p "$JARVIS_HOME/releases"
    as_user cp -p "$JARVIS_ARCHIVE" "$kept.new"
    as_user mv -f "$kept.new" "$kept"
    as_user touch "$kept"
    # shellcheck disable=SC2016
    as_user sh -c 'ls -t "$1"/*.pyz | tail -n +"$2" | while IFS= read -r old; do rm -f "$old"; done' \
        sh "$JARVIS_HOME/releases" $((KEPT_RELEASES + 1))
}

has_service() {
    command -v systemctl >/dev/null 2>&1 && systemctl cat "$SERVICE" >/dev/null 2>&1
}

# Whether something of it runs, ready or not yet, or will without being asked.
is_active() {
    has_service || return 1
    case $(systemctl show -p ActiveState --value "$SERVICE") in
        inactive | failed | '') systemctl is-active --quiet "$SOCKET" ;;
        *) return 0 ;;
    esac
}

# The socket first: while it listens, whoever connects starts the service again.
stop_service() {
    ! systemctl is-active --quiet "$SOCKET" || systemctl stop "$SOCKET"
    systemctl stop "$SERVICE"
}

# Not waited for: a start that hangs would keep us. Jarvis itself is asked whether it is ready.
start_service() {
    systemctl reset-failed "$SERVICE" 2>/dev/null || true
    ! systemctl is-enabled --quiet "$SOCKET" 2>/dev/null || systemctl start "$SOCKET"
    systemctl start --no-block "$SERVICE"
}

# Whether Jarvis says it is ready within so many seconds, at this address ("" for where it says it serves).
is_ready() {
    HEALTHCHECK_SECONDS=$2 "$HERE/healthcheck.sh" ${1:+"$1"}
}

# A backup of the database as it is now, with a reason; nothing when there is none yet.
back_up() {
    as_user test -f "$JARVIS_HOME/jarvis.db" || return 0
    jarvis_of "$JARVIS_ARCHIVE" backup create "$1"
}

# Start from this archive, which lies in the home, in the place of the installed one.
start_from() {
    as_user cp "$1" "$JARVIS_ARCHIVE.new"
    as_user sync "$JARVIS_ARCHIVE.new"
    as_user mv -f "$JARVIS_ARCHIVE.new" "$JARVIS_ARCHIVE"
    as_user sync "${JARVIS_ARCHIVE%/*}"
    start_service
    is_stopped=
}

# Change to this archive, which lies in the home; `is_stopped` is set while nothing runs.
# Returns 0 when it is ready, 1 when it was not and the one before is again, 2 when that is not ready either.
switch_to() {
    keep_release
    before=$kept
    is_stopped=1
    stop_service
    start_from "$1"
    ! is_ready "" "$READY_SECONDS" || return 0
    complain "not ready within $READY_SECONDS s; the release before is put back"
    is_stopped=1
    stop_service || true
    start_from "$before"
    ! is_ready "" "$BACK_SECONDS" || return 1
    return 2
}
