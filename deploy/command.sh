#!/bin/sh
#
# Jarvis's commands on this host: `sudo jarvis doctor`. Installed as /usr/local/bin/jarvis by install-systemd.sh.
#
# They run as the service user, on the service's home and with its credentials, from the archive it runs. The
# directory is the one you are in, so `sudo jarvis ask "summarize this repo"` is about that one, if the service user
# may read it.
set -eu
HERE=${JARVIS_SCRIPTS:-/usr/local/lib/jarvis}
# shellcheck source=deploy/common.sh
. "$HERE/common.sh"
load_conf
need_authority "$@"
export JARVIS_HOME APP_ENV=prod
# Only root reads them; the service is given them by systemd, a command by us.
for file in "$JARVIS_CREDENTIALS"/*; do
    name=${file##*/}
    case $name in
        *[!A-Z0-9_]*) ;;
        *)
            if [ -r "$file" ]; then
                value=$(cat "$file")
                export "$name=$value"
            fi
            ;;
    esac
done
if [ "$(id -un)" = "$JARVIS_USER" ]; then
    exec "$JARVIS_PYTHON" -I -S "$JARVIS_ARCHIVE" "$@"
fi
exec runuser -u "$JARVIS_USER" -- "$JARVIS_PYTHON" -I -S "$JARVIS_ARCHIVE" "$@"
