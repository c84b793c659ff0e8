#!/bin/sh
#
# Ask Jarvis whether it is ready.
#
#   healthcheck.sh [URL]
#
# URL is the server (http://127.0.0.1:8000) or its /readyz. Without one it is where the server of this home says
# that it serves, else http://127.0.0.1:8000. With HEALTHCHECK_SECONDS it is asked until ready for so long.
#
# Exit 0 ready · 1 it answers and is not ready, each failing check on a line · 69 nothing answers · 64 usage
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/common.sh
. "$HERE/common.sh"

case ${1-} in
    -h | --help)
        usage
        exit 0
        ;;
    -*) die 64 "there is no option $1; see --help" ;;
esac
[ $# -le 1 ] || die 64 "one URL, or none; see --help"
load_conf

case ${HEALTHCHECK_SECONDS:=0} in
    *[!0-9]*) die 64 "HEALTHCHECK_SECONDS=$HEALTHCHECK_SECONDS is no whole number" ;;
esac

# One question; what it says goes to standard output.
ask() {
    # Says nothing while nothing serves, and where this user may not look: then the default has to do.
    told=$(as_user cat "$JARVIS_HOME/run/server.json" 2>/dev/null || true)
    "$JARVIS_PYTHON" -I -S - "$1" "$told" <<'PYTHON'
import json
import sys
import urllib.error
import urllib.request


def address(given, told):
    try:
        found = given or json.loads(told)["url"]
    except (ValueError, KeyError, TypeError):
        found = "http://127.0.0.1:8000"
    found = found if "://" in found else "http://" + found
    return found if found.rstrip("/").endswith("/readyz") else found.rstrip("/") + "/readyz"


def ask(url):
    """(exit code, what to say). No proxy is asked, and nothing is opened but an address on the web."""
    if not url.startswith(("http://", "https://")):
        return 64, f"{url} is no http address"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as answer:
            status, raw = answer.status, answer.read(1_000_000)
    except urllib.error.HTTPError as error:
        status, raw = error.code, error.read(1_000_000)
    except (OSError, ValueError) as error:
        return 69, f"nothing answers at {url}: {getattr(error, 'reason', error)}"
    try:
        said = json.loads(raw)
        is_ready = status == 200 and said["ok"] is True
        return 0 if is_ready else 1, told_of(said, url, is_ready)
    except (ValueError, KeyError, TypeError, AttributeError):
        return 1, f"{url} answers {status}, and not as Jarvis does"


def told_of(said, url, is_ready):
    failing = [(name, check) for name, check in sorted(said["checks"].items()) if not check["ok"]]
    lines = [f"{'ready' if is_ready else 'not ready'}: jarvis {said['version']} at {url}"]
    lines += [f"  {name}: {check['detail']}{'' if check['core'] else ' (not core)'}" for name, check in failing]
    lines += ["  restarting"] if said.get("restarting") else []
    lines += ["  locked down"] if said.get("lockdown") else []
    return "\n".join(lines)


code, text = ask(address(*sys.argv[1:]))
print("".join(letter for letter in text if letter.isprintable() or letter == "\n"))
sys.exit(code)
PYTHON
}

until=$(($(date +%s) + HEALTHCHECK_SECONDS))
code=0
said=$(ask "${1-}") || code=$?
while [ "$code" != 0 ] && [ "$(date +%s)" -lt "$until" ]; do
    sleep 0.2 2>/dev/null || sleep 1
    code=0
    said=$(ask "${1-}") || code=$?
done
if [ "$code" = 0 ]; then
    say "$said"
else
    say "$said" >&2
fi
exit "$code"
