# What the scripts about traffic share. Sourced, not run.
#
#   API_URL         the gateway in front of both environments     https://api.example.com
#   LB_ADMIN_URL    where POST /api/traffic is                    default: API_URL
#   TRACK_URL       where /pixel/test.png is                      default: API_URL
#   METRICS_URL     where /api/metrics/error-rate is              default: API_URL
#   LB_ADMIN_TOKEN  the token of the load balancer's administrators
#   WAIT_SECONDS    wait for a change to propagate, and between steps; default 30
#   PROBE_SECONDS   wait between two probes; default 1

API_URL="${API_URL:-http://127.0.0.1:54321}"
API_URL="${API_URL%/}"
LB_ADMIN_URL="${LB_ADMIN_URL:-$API_URL}"
TRACK_URL="${TRACK_URL:-$API_URL}"
METRICS_URL="${METRICS_URL:-$API_URL}"
WAIT_SECONDS="${WAIT_SECONDS:-30}"
PROBE_SECONDS="${PROBE_SECONDS:-1}"

fail() {
  echo "$2" >&2
  exit "$1"
}

require_token() {
  [ -n "${LB_ADMIN_TOKEN:-}" ] || fail 1 "LB_ADMIN_TOKEN is not set."
}

# A string member of the JSON on standard input: member environment.
member() {
  sed -n "s/.*\"$1\"[[:space:]]*:[[:space:]]*\"\([^\"]*\)\".*/\1/p" | head -n 1
}

# The status of a component of health/detailed on standard input: component database.
component() {
  sed -n "s/.*\"$1\"[[:space:]]*:[[:space:]]*{[[:space:]]*\"status\"[[:space:]]*:[[:space:]]*\"\([^\"]*\)\".*/\1/p" | head -n 1
}

# A header with a secret, for curl's -H @<(authorization "Bearer $TOKEN"): whoever lists the processes of the machine sees
# their arguments, and nothing of what a shell prints by itself.
authorization() {
  printf 'Authorization: %s\n' "$1"
}

# HTTP status of an address; 000 if nothing answers.
status_of() {
  curl -s -o /dev/null -m 10 -w '%{http_code}' "$@" || true
}

# The environment that a new visitor gets; empty if nothing answers.
environment() {
  curl -s -m 10 "$API_URL/health" | member environment
}

# Ten visitors, one after the other. Returns 3 if not all of them get $1.
probe() {
  local expected="$1" seen wrong=0 i
  for i in 1 2 3 4 5 6 7 8 9 10; do
    [ "$i" = 1 ] || sleep "$PROBE_SECONDS"
    seen="$(environment)"
    echo "Request $i: ${seen:-no answer}"
    if [ "$expected" = any ]; then
      [ "$seen" = blue ] || [ "$seen" = green ] || wrong=$((wrong + 1))
    else
      [ "$seen" = "$expected" ] || wrong=$((wrong + 1))
    fi
  done
  [ "$wrong" = 0 ] || { echo "$wrong of 10 requests were not as expected ($expected)" >&2; return 3; }
}

# A text for a JSON string: without control characters, quotes and backslashes, cut to 200 bytes of whole UTF-8 characters.
plain() (
  export LC_ALL=C
  text="$(printf '%s' "$1" | tr '\000-\037\177' ' ' | tr -d '"\\')"
  if [ "${#text}" -gt 200 ]; then
    text="${text:0:200}"
    while [[ "$text" == *[$'\x80'-$'\xbf'] ]]; do text="${text%?}"; done
    text="${text%[$'\xc0'-$'\xff']}"
  fi
  printf '%s' "$text"
)
