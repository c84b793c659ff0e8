#!/bin/sh
#
# Install Jarvis as a systemd service, or bring an installed one up to the archive at hand.
#
#   install-systemd.sh [OPTIONS]
#   install-systemd.sh --uninstall     take the service away; the home with its data, the credentials and user stay
#
#   --archive FILE    the archive (else jarvis.pyz beside this script, or one folder up, built there if it is a checkout)
#   --workdir DIR     a directory Jarvis may write to, beside its home; the first is its WORKSPACE. May be repeated
#   --socket          let systemd hold the port 127.0.0.1:8000 (jarvis.socket); --no-socket undoes it
#   --python FILE     the interpreter (else the newest of 3.11 to 3.14 the archive is for, outside of /home and /root)
#   --user NAME       the service user (else jarvis), made when it is not there
#   --no-start        install and enable, and leave starting to you
#   --no-backup       upgrade though no backup can be made
#   --root DIR        put everything below DIR instead of /, for a look, with you as the service user; tells systemd
#                     nothing, unless there is --start
#
# Run it again as often as you like: what is as it should be is left alone, and what was chosen
# before and is not named again holds. An upgrade backs up first, keeps the old archive, and puts it back when the new one is not ready.
#
# Exit 0 done · 1 the upgrade was not ready and was taken back, or the first start is not ready · 2 nothing is ready ·
# 64 usage · 69 something this needs is not there · 77 needs root
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/common.sh
. "$HERE/common.sh"

ROOT=
archive=
workdirs=
python=
user=
socket=
is_starting=
is_held_back=
is_uninstalling=
is_backed_up=1
while [ $# -gt 0 ]; do
    case $1 in
        --archive | --workdir | --python | --user | --root)
            [ -n "${2-}" ] || die 64 "$1 needs a value; see --help"
            case $1 in
                --archive) archive=$2 ;;
                --workdir) workdirs="$workdirs$(realpath -m -- "$2")
" ;;
                --python) python=$2 ;;
                --user) user=$2 ;;
                --root) ROOT=$(realpath -m -- "$2") ;;
            esac
            shift
            ;;
        --socket) socket=1 ;;
        --no-socket) socket=0 ;;
        --start) is_starting=1 ;;
        --no-start) is_held_back=1 ;;
        --no-backup) is_backed_up= ;;
        --uninstall) is_uninstalling=1 ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) die 64 "what is $1? See --help" ;;
    esac
    shift
done
ETC=$ROOT/etc/jarvis
LIB=$ROOT/usr/local/lib/jarvis
COMMAND=$ROOT/usr/local/bin/jarvis
UNITS=$ROOT/etc/systemd/system
DROPINS=$UNITS/jarvis.service.d
CONF=${ROOT:+$ETC/install.conf}
CONF=${CONF:-${JARVIS_INSTALL_CONF:-$ETC/install.conf}}
has_changed=

tell_systemd() {
    [ -z "$tells" ] || systemctl "$@"
}

# What an earlier run chose, by its name in the configuration; it is read here, not sourced.
chosen() {
    [ ! -f "$CONF" ] || sed -n "s/^$1='\\([A-Za-z0-9/._+@-]*\\)'\$/\\1/p" "$CONF"
}

# A directory with an owner and a mode, made when it is not there.
directory() {
    [ -d "$1" ] || mkdir -p -- "$1"
    chmod "$3" "$1"
    [ "$(id -u)" != 0 ] || chown "$2" "$1"
}

# FILE.new becomes FILE, with a mode, unless it is the same. Not at the end of a pipe: it sets has_changed.
settle() {
    chmod "$2" "$1.new"
    if cmp -s "$1.new" "$1"; then
        chmod "$2" "$1"
        rm -f "$1.new"
    else
        mv -f "$1.new" "$1"
        has_changed=1
        say "wrote $1"
    fi
}

uninstall() {
    for unit in "$SOCKET" "$SERVICE"; do
        tell_systemd disable --now "$unit" 2>/dev/null || true
    done
    rm -rf "$DROPINS"
    rm -f "$UNITS/$SERVICE" "$UNITS/$SOCKET" "$COMMAND" "$CONF"
    rm -rf "$LIB"
    tell_systemd daemon-reload
    say "uninstalled. Left as they are: $ROOT/var/lib/jarvis (the data), $ETC (credentials), the user $user"
    say "to be rid of them: rm -r $ROOT/var/lib/jarvis $ETC && userdel $user"
}

# The archive to install: as given, beside us, or built from the checkout around us.
find_archive() {
    if [ -n "$archive" ]; then
        [ -f "$archive" ] || die 69 "there is no file $archive"
    elif [ -f "$HERE/jarvis.pyz" ]; then
        archive=$HERE/jarvis.pyz
    elif [ -f "$HERE/../build_zipapp.py" ]; then
        build_archive
    elif [ -f "$HERE/../jarvis.pyz" ]; then
        archive=$HERE/../jarvis.pyz
    else
        die 69 "there is no jarvis.pyz beside this script: --archive FILE"
    fi
}

# A checkout is its owner's code and is built by its owner.
build_archive() {
    checkout=$(cd "$HERE/.." && pwd)
    owner=$(stat -c %U "$checkout")
    say "building $checkout/jarvis.pyz"
    if [ "$(id -u)" = 0 ] && [ "$owner" != root ]; then
        runuser -u "$owner" -- "$python" "$checkout/build_zipapp.py" --target host -o "$checkout/jarvis.pyz"
    else
        "$python" "$checkout/build_zipapp.py" --target host -o "$checkout/jarvis.pyz"
    fi || die 69 "the archive cannot be built; build it elsewhere: --archive FILE"
    archive=$checkout/jarvis.pyz
}

# An interpreter the service can reach: its unit shows it neither /home nor /root.
find_python() {
    [ -n "$python" ] || python=$(chosen JARVIS_PYTHON)
    [ -z "$python" ] || return 0
    for python in /usr/bin/python3 /usr/local/bin/python3 /usr/bin/python3.14 /usr/bin/python3.13 \
        /usr/bin/python3.12 /usr/bin/python3.11 /usr/local/bin/python3.14 /usr/local/bin/python3.13 \
        /usr/local/bin/python3.12 /usr/local/bin/python3.11; do
        case $(realpath -m "$python") in
            /home/* | /root/*) continue ;;
        esac
        ! "$python" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || return 0
    done
    die 69 "no Python 3.11 or newer in /usr/bin or /usr/local/bin (apt install python3), or name one: --python FILE"
}

# Words a unit takes literally; anything else would have to be escaped.
plain() {
    case $1 in
        /*) ;;
        *) die 64 "$1 is no absolute path" ;;
    esac
    case $1 in
        *[!A-Za-z0-9/._+@-]*) die 64 "$1: only letters, digits and ._+@- may stand in a path here" ;;
    esac
}

make_user() {
    if ! getent passwd "$user" >/dev/null; then
        useradd --system --user-group --home-dir /var/lib/jarvis --no-create-home --shell /usr/sbin/nologin "$user"
        say "made the user $user"
    fi
}

make_places() {
    directory "$ETC" root:root 755
    directory "$ETC/credentials" root:root 700
    directory "$LIB" root:root 755
    directory "$ROOT/usr/local/bin" root:root 755
    directory "$UNITS" root:root 755
    directory "$DROPINS" root:root 755
    directory "$JARVIS_HOME" "$JARVIS_USER:" 700
    as_user mkdir -p "$JARVIS_HOME/app" "$JARVIS_HOME/releases"
}

# The checkout that rollback.sh builds from: the one we lie in, or the one remembered.
find_source() {
    source=${GIVEN_SOURCE:-$(chosen JARVIS_SOURCE)}
    [ ! -e "$HERE/../build_zipapp.py" ] || source=$(cd "$HERE/.." && pwd)
    case $source in
        *[!A-Za-z0-9/._+@-]*)
            complain "$source: not remembered as the source, because of the characters in it"
            source=
            ;;
    esac
}

write_conf() {
    cat >"$CONF.new" <<END
# Written by install-systemd.sh, read by the scripts beside it.
JARVIS_USER='$JARVIS_USER'
JARVIS_HOME='$JARVIS_HOME'
JARVIS_PYTHON='$JARVIS_PYTHON'
JARVIS_ARCHIVE='$JARVIS_ARCHIVE'
JARVIS_CREDENTIALS='$ETC/credentials'
JARVIS_SETTINGS='$ETC/jarvis.env'
JARVIS_SOURCE='$source'
END
    settle "$CONF" 644
}

write_scripts() {
    for name in common.sh healthcheck.sh rollback.sh restore_db.sh install-systemd.sh boot-guard.sh \
        jarvis.service jarvis.socket strict.conf command.sh; do
        if [ -f "$HERE/$name" ] && [ "$HERE" != "$LIB" ]; then
            mode=644
            [ ! -x "$HERE/$name" ] || mode=755
            cp "$HERE/$name" "$LIB/$name.new"
            settle "$LIB/$name" "$mode"
        fi
    done
    sed "s|:-/usr/local/lib/jarvis}|:-$LIB}|" "$HERE/command.sh" >"$COMMAND.new"
    settle "$COMMAND" 755
}

# The lines that differ from host to host. What was chosen in an earlier run and not named in this one holds.
host_lines() {
    say "# Written by install-systemd.sh; put what is yours into another file beside it."
    say "[Service]"
    say "User=$JARVIS_USER"
    say "Group=$(id -gn "$JARVIS_USER")"
    say "ExecStart="
    say "ExecStart=$JARVIS_PYTHON -I -S $JARVIS_ARCHIVE serve"
    say "TimeoutStopSec=$((drain + 30))"
}

workdir_lines() {
    say "# Written by install-systemd.sh --workdir."
    say "[Service]"
    first=1
    printf '%s' "$workdirs" | while IFS= read -r workdir; do
        [ -z "$first" ] || say "Environment=WORKSPACE=$workdir"
        first=
        case $workdir/ in
            /home/* | /root/* | /run/user/*)
                say "ProtectHome=tmpfs"
                say "BindPaths=$workdir"
                ;;
        esac
        say "ReadWritePaths=$workdir"
    done
}

check_workdirs() {
    printf '%s' "$workdirs" | while IFS= read -r workdir; do
        plain "$workdir"
        [ -d "$workdir" ] || die 64 "--workdir $workdir: there is no such directory"
        as_user test -w "$workdir" ||
            complain "$JARVIS_USER may not write to $workdir; for example: setfacl -R -m u:$JARVIS_USER:rwX $workdir"
    done
}

# Seconds a drain takes, as the service will read the setting.
read_drain() {
    drain=$(jarvis_of "$1" config show RESTART_DRAIN_TIMEOUT_SECONDS --json 2>/dev/null |
        "$JARVIS_PYTHON" -I -S -c 'import json, sys; print(int(json.load(sys.stdin)[0]["value"]))' 2>/dev/null) ||
        drain=20
}

write_units() {
    sed -e "s|/var/lib/jarvis|$JARVIS_HOME|g" -e "s|/usr/local/lib/jarvis|$LIB|g" -e "s|/etc/jarvis|$ETC|g" \
        "$HERE/jarvis.service" >"$UNITS/$SERVICE.new"
    settle "$UNITS/$SERVICE" 644
    host_lines >"$DROPINS/10-host.conf.new"
    settle "$DROPINS/10-host.conf" 644
    if [ -n "$workdirs" ]; then
        workdir_lines >"$DROPINS/20-workdir.conf.new"
        settle "$DROPINS/20-workdir.conf" 644
    fi
    case $socket in
        1)
            cp "$HERE/jarvis.socket" "$UNITS/$SOCKET.new"
            settle "$UNITS/$SOCKET" 644
            ;;
        0)
            tell_systemd disable --now "$SOCKET" 2>/dev/null || true
            rm -f "$UNITS/$SOCKET"
            ;;
    esac
    tell_systemd daemon-reload
    tell_systemd enable --quiet "$SERVICE"
    [ "$socket" != 1 ] || tell_systemd enable --quiet "$SOCKET"
}

# Root's own settings: they go before those in the home, which the service itself can change.
make_settings() {
    if [ ! -e "$ETC/jarvis.env" ]; then
        say "# Settings of Jarvis that only root can change, NAME=VALUE; they go before $JARVIS_HOME/.env.
# A value with a backslash, such as commands with \\n between them, stands in single quotes.
# Every one of them: sudo jarvis config show. After a change: sudo systemctl restart jarvis
# Secrets belong into $ETC/credentials, a file each, named like the setting." >"$ETC/jarvis.env"
    fi
    chmod 600 "$ETC/jarvis.env"
    export_settings "$ETC/jarvis.env"
}

# Settings and database as doctor makes them; its other findings are for the operator, and shown at the end.
first_settings() {
    as_user test -f "$JARVIS_HOME/.env" || jarvis_of "$1" doctor --fix >/dev/null 2>&1 || true
    # shellcheck disable=SC2016
    as_user sh -c 'umask 077 && touch "$1" && chmod 600 "$1"' sh "$JARVIS_HOME/.env"
}

[ -n "$ROOT" ] || is_starting=1
tells=$is_starting
[ -z "$is_held_back" ] || is_starting=
[ -n "$user" ] || user=$(chosen JARVIS_USER)
if [ -z "$user" ]; then
    user=jarvis
    [ -z "$ROOT" ] || user=$(id -un)
fi
case $user in
    -* | *[!a-z0-9_-]*) die 64 "$user is no name for a service user" ;;
esac

if [ -n "$is_uninstalling" ]; then
    [ -n "$ROOT" ] || [ "$(id -u)" = 0 ] || die 77 "needs root: sudo $0 --uninstall"
    uninstall
    exit 0
fi
[ -n "$ROOT" ] || [ "$(id -u)" = 0 ] || die 77 "needs root: sudo $0 …"
[ -z "$tells" ] || command -v systemctl >/dev/null || die 69 "there is no systemd here"
find_python
plain "$python"
find_archive

JARVIS_USER=$user
JARVIS_HOME=$ROOT/var/lib/jarvis
JARVIS_ARCHIVE=$JARVIS_HOME/app/jarvis.pyz
JARVIS_PYTHON=$python
plain "$JARVIS_HOME"
make_user
make_places
candidate=$JARVIS_HOME/.install.pyz
# Whatever ends us, nothing is left over, and what we stopped is started.
# shellcheck disable=SC2317
leave() {
    as_user rm -f "$candidate"
    [ -z "$is_stopped" ] || start_service
}
trap leave EXIT
trap 'exit 130' INT TERM HUP
put_file "$archive" "$candidate"
make_settings
jarvis_of "$candidate" version >/dev/null || die 69 "$archive does not run here under $JARVIS_PYTHON"
first_settings "$candidate"
read_drain "$candidate"
check_workdirs
find_source
write_conf
write_scripts
write_units

release=$(release_of "$candidate")
is_first=
as_user test -f "$JARVIS_ARCHIVE" || is_first=1
if [ -n "$is_first" ] || [ -z "$is_starting" ]; then
    [ -n "$is_first" ] || keep_release
    as_user mv -f "$candidate" "$JARVIS_ARCHIVE"
    keep_release
    say "installed $release"
    [ -n "$is_starting" ] || exit 0
    start_service
    is_ready "" "$READY_SECONDS" || die 1 "it does not become ready; see: journalctl -u jarvis"
    if ! jarvis_of "$JARVIS_ARCHIVE" user list --json | grep -q '"admin"'; then
        say "make the first admin: sudo jarvis user add NAME --role admin"
        say "                  or: sudo jarvis doctor --fix     (prints a link to open in a browser)"
    fi
    exit 0
fi
if [ "$(release_of "$JARVIS_ARCHIVE")" = "$release" ]; then
    if [ -n "$has_changed" ] && is_active; then
        say "restarting: the unit has changed"
        is_stopped=1
        stop_service
        start_service
        is_stopped=
    elif ! is_active; then
        start_service
    else
        say "$release is installed already"
    fi
    is_ready "" "$READY_SECONDS" || die 1 "it is not ready; see: journalctl -u jarvis"
    exit 0
fi
back_up "before $release" || [ -z "$is_backed_up" ] ||
    die 69 "no backup could be made, so nothing was upgraded; --no-backup goes without one"
say "upgrading to $release"
result=0
switch_to "$candidate" || result=$?
case $result in
    0) keep_release && say "runs: $release" ;;
    1) die 1 "$release was not ready; what ran before runs again. See: journalctl -u jarvis" ;;
    *) die 2 "$release was not ready, and neither is what ran before. See: journalctl -u jarvis" ;;
esac
