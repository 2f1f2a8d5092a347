#!/bin/bash
# Sends a percentage of visitors to an environment, waits, and verifies it with ten requests.
#
#   manage-traffic.sh blue|green PERCENTAGE
#
# Exit codes: 0 done and verified, 1 wrong arguments, 2 the load balancer refused, 3 the ten requests do not agree.
# Variables: see common.sh.
set -u
. "$(dirname "$0")/common.sh"

ENVIRONMENT="${1:-}"
PERCENTAGE="${2:-}"
if [ "$ENVIRONMENT" != blue ] && [ "$ENVIRONMENT" != green ]; then
  fail 1 "Invalid environment. Use 'blue' or 'green'"
fi
case "$PERCENTAGE" in
  # What JSON does not take as a number is refused too: 050 and 5.
  '' | *[!0-9.]* | *.*.* | .* | *. | 0[0-9]*) fail 1 "Invalid percentage. Use 0 to 100" ;;
esac
awk -v p="$PERCENTAGE" 'BEGIN { exit !(p >= 0 && p <= 100) }' || fail 1 "Invalid percentage. Use 0 to 100"
require_token
WHY="$(plain "${REASON:-}")"

echo "Routing $PERCENTAGE% traffic to $ENVIRONMENT environment"
ANSWER="$(curl -s -m 20 -w '\n%{http_code}' -X POST "$LB_ADMIN_URL/api/traffic" \
  -H @<(authorization "Bearer $LB_ADMIN_TOKEN") \
  -H "Content-Type: application/json" \
  -d "{\"environment\": \"$ENVIRONMENT\", \"percentage\": $PERCENTAGE, \"reason\": \"${WHY:-$(basename "$0")}\"}")" || true
STATUS="${ANSWER##*$'\n'}"
[ "$STATUS" = 200 ] || fail 2 "The load balancer answered $STATUS: ${ANSWER%$'\n'*}"

# Wait for changes to propagate
sleep "$WAIT_SECONDS"

echo "Verifying traffic routing..."
OTHER=blue
[ "$ENVIRONMENT" = blue ] && OTHER=green
case "$(awk -v p="$PERCENTAGE" 'BEGIN { print (p == 100) ? "all" : (p == 0) ? "none" : "some" }')" in
  all) probe "$ENVIRONMENT" ;;
  none) probe "$OTHER" ;;
  *) probe any ;;
esac
