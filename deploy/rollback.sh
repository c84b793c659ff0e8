#!/bin/sh
#
# Run another release: one that was kept, or one built from the source repository.
#
#   rollback.sh                       list the releases that are kept
#   rollback.sh previous              the newest kept release that is not the one installed
#   rollback.sh RELEASE|GIT-REF       a kept release (0.1.0-1f2e3d4c5b6a, or as much of it as is unmistakable), else
#                                     a commit, tag or branch, built with the wheels at hand
#
# Nothing is stopped before the release is there, runs here and says that it can live with the database. A backup is
# made first. When Jarvis is not ready within READY_SECONDS (60), the release before is put back. The database is
# never put back: that would lose what was accepted since (restore_db.sh does it, when it is meant).
#
# The repository is JARVIS_SOURCE, the checkout Jarvis was installed from, or the one this script lies in.
#
# Exit 0 ready · 1 it was not ready and the one before is again · 2 neither is · 64 usage · 66 there is no such
# release or ref · 69 it cannot be built, or cannot live with the database · 77 needs root
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/common.sh
. "$HERE/common.sh"

# Every kept release, the newest first.
releases() {
    # shellcheck disable=SC2016
    as_user sh -c 'ls -t "$1" 2>/dev/null | sed -n "s/\.pyz\$//p"' sh "$JARVIS_HOME/releases"
}

list() {
    present=$(release_of "$JARVIS_ARCHIVE")
    say "$present  (installed)"
    releases | grep -vxF "$present" || true
}

# The kept release that the word means; nothing when there is none, 64 when there are several.
kept_release() {
    case $1 in
        previous) releases | grep -vxF "$(release_of "$JARVIS_ARCHIVE")" | head -n 1 ;;
        *)
            found=$(releases | awk -v word="$1" 'index($0, word) == 1 || index($0, "-" word)')
            ! releases | grep -qxF -- "$1" || found=$1
            [ "$(printf '%s' "$found" | grep -c .)" -le 1 ] || die 64 "$1 may be any of: $(printf '%s ' "$found" | tr '\n' ' ')"
            say "$found"
            ;;
    esac
}

# The repository to build from; nothing when there is none.
repository() {
    for place in "$JARVIS_SOURCE" "$HERE/.."; do
        if [ -n "$place" ] && [ -e "$place/.git" ]; then
            (cd "$place" && pwd)
            return
        fi
    done
}

# What is built is the owner's own code, and runs as its owner: never as root when it is not root's.
as_owner() {
    if [ "$(id -u)" = 0 ] && [ "$owner" != root ]; then
        runuser -u "$owner" -- "$@"
    else
        "$@"
    fi
}

# Build the ref into $work/jarvis.pyz.
build() {
    owner=$(stat -c %U "$1")
    commit=$(as_owner git -C "$1" rev-parse --verify --quiet --end-of-options "$2^{commit}") ||
        die 66 "$2 is neither a kept release nor a commit, tag or branch in $1"
    say "building $commit from $1"
    mkdir "$work/build"
    [ "$owner" = "$(id -un)" ] || chown "$owner" "$work/build"
    as_owner git clone --quiet --shared --no-checkout "$1" "$work/build/source"
    as_owner git -C "$work/build/source" -c advice.detachedHead=false checkout --quiet "$commit"
    as_owner "$JARVIS_PYTHON" "$work/build/source/build_zipapp.py" --target host --wheels "$1/build/wheels" \
        -o "$work/build/jarvis.pyz" || die 69 "$2 cannot be built here; nothing was changed"
}

case ${1-} in
    -h | --help)
        usage
        exit 0
        ;;
    -*) die 64 "there is no option $1; see --help" ;;
esac
[ $# -le 1 ] || die 64 "one release or ref; see --help"
load_conf
[ -n "$IS_INSTALLED" ] || die 69 "Jarvis is not installed as a service here (no $CONF): deploy/install-systemd.sh"
need_authority
if [ $# -eq 0 ]; then
    list
    exit 0
fi

release=$(kept_release "$1")
wanted=$JARVIS_HOME/.rollback.pyz
work=$(mktemp -d)
chmod 711 "$work"
# Whatever ends us, nothing is left over, and what we stopped is started.
# shellcheck disable=SC2317
leave() {
    rm -rf "$work"
    as_user rm -f "$wanted"
    [ -z "$is_stopped" ] || start_service
}
trap leave EXIT
trap 'exit 130' INT TERM HUP
if [ -n "$release" ]; then
    as_user cp "$JARVIS_HOME/releases/$release.pyz" "$wanted"
else
    [ "$1" != previous ] || die 66 "no other release is kept"
    place=$(repository)
    [ -n "$place" ] || die 66 "there is no kept release $1, and no repository to build it from (JARVIS_SOURCE)"
    build "$place" "$1"
    put_file "$work/build/jarvis.pyz" "$wanted"
    release=$(release_of "$wanted")
fi
if [ "$(as_user sha256sum "$JARVIS_ARCHIVE" | cut -c1-12)" = "$(as_user sha256sum "$wanted" | cut -c1-12)" ]; then
    say "$release is the one installed"
    is_ready "" 10
    exit
fi
jarvis_of "$wanted" migrate --dry-run >/dev/null ||
    die 69 "$release cannot live with this database; nothing was changed. To go back further, restore a backup that old"
back_up "before $release" || complain "no backup could be made; going on without one"
say "changing to $release"
result=0
switch_to "$wanted" || result=$?
case $result in
    0) say "runs: $release" ;;
    1) die 1 "$release was not ready; what ran before runs again. See: journalctl -u jarvis" ;;
    *) die 2 "$release was not ready, and neither is what ran before. See: journalctl -u jarvis" ;;
esac
