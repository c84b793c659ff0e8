#!/bin/sh
#
# Put a backup in the place of the database, and take that back when Jarvis is not ready with it.
#
#   restore_db.sh SNAPSHOT.db|SNAPSHOT.db.gz [DB_PATH]
#
# DB_PATH is the database to replace; without it, the service's. The service is stopped; where Jarvis does not run as
# a service, stop it yourself: while something serves the database, nothing is done. `jarvis restore` then unpacks
# and checks the snapshot beside the database before it replaces anything, keeps what was there with its -wal and
# -shm, and signs everybody out. The service is started again and asked at RESTORE_READYZ_URL (else where it says it
# serves) until it is ready. When it is not within READY_SECONDS (60), the old database is put back and started.
#
# Exit 0 restored, and ready when it is a service · 1 it was not ready and the old database is back · 2 neither is
# ready · 64 usage · 66 no such file · 69 the snapshot is no good, or a server runs; nothing was changed · 77 root
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/common.sh
. "$HERE/common.sh"

case ${1-} in
    -h | --help)
        usage
        exit 0
        ;;
    -* | '') die 64 "which snapshot? restore_db.sh SNAPSHOT.db|SNAPSHOT.db.gz [DB_PATH]" ;;
esac
[ $# -le 2 ] || die 64 "a snapshot, and perhaps the database; see --help"
snapshot=$1
[ -f "$snapshot" ] || die 66 "there is no file $snapshot"
[ ! -s "$snapshot-wal" ] || die 69 "$snapshot is a database in use: what stands in $snapshot-wal would be missing"
load_conf
need_authority
[ -n "$JARVIS_ARCHIVE" ] || die 69 "where is jarvis.pyz? JARVIS_PYZ=FILE $0 …"

setting() {
    jarvis_of "$JARVIS_ARCHIVE" config show "$1" --json |
        "$JARVIS_PYTHON" -I -S -c 'import json, sys; print(json.load(sys.stdin)[0]["value"])'
}

database=$(setting APP_DB)
is_service=
! has_service || is_service=1
if [ -n "${2-}" ]; then
    given=$(realpath -m -- "$2")
    if [ "$given" != "$(realpath -m -- "$database")" ]; then
        # Another database than the service's: its own home, whose lock says whether something serves it.
        database=$given
        JARVIS_HOME=$(dirname -- "$given")
        is_service=
    fi
fi
scratch=$(dirname -- "$database")/.restore_db
copy=$scratch/$(basename -- "$snapshot")
errors=$(mktemp)
# Whatever ends us, the copy goes, and what we stopped is started.
# shellcheck disable=SC2317
leave() {
    as_user rm -rf "$scratch"
    rm -f "$errors"
    [ -z "$is_stopped" ] || start_service
}
trap leave EXIT
trap 'exit 130' INT TERM HUP

# End with what Jarvis said was wrong.
refuse() {
    complain "$("$JARVIS_PYTHON" -I -S -c 'import json, sys
text = sys.stdin.read()
try:
    text = json.loads(text)["detail"]
except ValueError:
    pass
print(text.strip())' <"$errors")"
    exit "$1"
}

# Restore into a home and a database; JSON when it worked, else what was wrong with it.
restore_into() {
    (cd / && as_user env JARVIS_HOME="$1" APP_DB="$2" "$JARVIS_PYTHON" -I -S "$JARVIS_ARCHIVE" restore "$copy" --json) \
        2>"$errors"
}

# As the service user, who may not be able to read the file where it lies; in a scratch home first, so that nothing is
# stopped for a snapshot that is no good.
as_user rm -rf "$scratch"
as_user mkdir -p "$scratch/home"
put_file "$snapshot" "$copy"
restore_into "$scratch/home" "$scratch/home/jarvis.db" >/dev/null || refuse $?
if [ -n "$is_service" ] && is_active; then
    say "stopping $SERVICE"
    is_stopped=1
    stop_service
fi
said=$(restore_into "$JARVIS_HOME" "$database") || refuse $?
say "$said" | "$JARVIS_PYTHON" -I -S -c '
import json, sys
was = json.load(sys.stdin)
print("restored, with every event up to", was["head_seq"])
print(was["sessions"], "sessions ended,", was["approvals"], "approvals void,", was["tasks"], "tasks cancelled")
print("kept:", was["kept"] or "nothing was there before")'
kept=$(say "$said" | "$JARVIS_PYTHON" -I -S -c 'import json, sys; print(json.load(sys.stdin)["kept"] or "")')

if [ -z "$is_stopped" ]; then
    say "start Jarvis, then: $HERE/healthcheck.sh ${RESTORE_READYZ_URL-}"
    exit 0
fi
is_stopped=
start_service
! is_ready "${RESTORE_READYZ_URL-}" "$READY_SECONDS" || exit 0

complain "not ready within $READY_SECONDS s; the database before is put back"
stop_service || true
[ -n "$kept" ] || die 2 "there was no database before; see: journalctl -u jarvis"
failed=$database.failed-$(date -u +%Y%m%dT%H%M%SZ)
# shellcheck disable=SC2016
as_user sh -c '
set -e
for ending in "" -wal -shm; do
    [ ! -e "$1$ending" ] || mv "$1$ending" "$3$ending"
    [ ! -e "$2$ending" ] || mv "$2$ending" "$1$ending"
done
sync "${1%/*}"' sh "$database" "$kept" "$failed"
start_service
if is_ready "" "$BACK_SECONDS"; then
    die 1 "the old database serves again; what was restored is kept: $failed"
fi
die 2 "not ready with the old database either; what was restored is kept: $failed. See: journalctl -u jarvis"
