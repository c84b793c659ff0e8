#!/bin/sh
# Before Jarvis starts: take an update back that did not get to run, without running any of its code.
#
#   boot-guard.sh /opt/jarvis/jarvis.pyz
#
# For a unit, unprivileged, as the user of the service:
#
#   ExecStartPre=/opt/jarvis/boot-guard.sh /opt/jarvis/jarvis.pyz
#
# The archive's own launcher counts its starts while it is on trial (jarvis.pyz.starts) and goes back by itself
# after three that ended badly. This is for an archive whose launcher is what is broken: it goes back one later.
# It always exits 0, as a start is never made worse by it: what it does, it says on stderr.
set -u

archive=${1:?usage: boot-guard.sh ARCHIVE}
marker=$archive.trial
most=4

say() { printf 'boot-guard: %s\n' "$*" >&2; }
field() { sed -n "s/^$1 //p" "$marker" | head -n 1; }
digest() { sha256sum -- "$1" 2>/dev/null | cut -d ' ' -f 1; }
settle() { sync -- "$@" 2>/dev/null || sync; }

[ -f "$marker" ] || exit 0
old=$(field old) new=$(field new) state=$(field state)
{ [ ${#old} -eq 64 ] && [ ${#new} -eq 64 ]; } || exit 0
[ "$(digest "$archive")" = "$new" ] || exit 0

case $state in
trial)
    # Our own count beside the launcher's: it may not even get as far as counting.
    printf 'boot\n' >>"$archive.boots" && settle "$archive.boots"
    [ "$(wc -l <"$archive.boots")" -gt "$most" ] || exit 0
    why="$most starts in a row did not end in a verified update"
    ;;
back) why=$(field why) ;;
*)
    rm -f -- "$archive.boots"
    exit 0
    ;;
esac

if [ "$(digest "$archive.previous")" != "$old" ]; then
    say "$archive.previous is not the archive from before, so the update stays"
    exit 0
fi
if [ "$state" = trial ]; then
    sed -e 's/^state .*/state back/' -e 's/^by .*/by unit/' -e "s/^why .*/why $why/" "$marker" >"$marker.draft" &&
        settle "$marker.draft" && mv -f -- "$marker.draft" "$marker" && settle "$(dirname -- "$archive")" || exit 0
fi
mv -f -- "$archive.previous" "$archive" && settle "$(dirname -- "$archive")"
rm -f -- "$archive.starts" "$archive.boots"
say "the update was taken back ($why); $archive is the archive from before it"
exit 0
