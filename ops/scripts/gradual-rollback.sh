#!/bin/bash
# Takes visitors back from green by steps: 100 -> 50 -> 25 -> 10 -> 0 %, WAIT_SECONDS each, with the error rate shown.
# A step that cannot be made ends it with everybody on blue.
#
#   gradual-rollback.sh
#
# Exit codes: 0 everybody is on blue, verified; else that of manage-traffic.sh. Variables: see common.sh.
set -u
HERE="$(dirname "$0")"
. "$HERE/common.sh"
require_token

GREEN="$(curl -s -m 10 "$LB_ADMIN_URL/api/traffic" -H @<(authorization "Bearer $LB_ADMIN_TOKEN") |
  sed -n 's/.*"green"[[:space:]]*:[[:space:]]*\([0-9.]*\).*/\1/p' | head -n 1)"
[ -n "$GREEN" ] || fail 2 "The load balancer does not say how much traffic green has."
echo "Green has $GREEN% of traffic"

for STEP in 50 25 10 0; do
  if [ "$STEP" != 0 ] && awk -v a="$GREEN" -v b="$STEP" 'BEGIN { exit !(a <= b) }'; then continue; fi
  echo "Reducing green to $STEP%"
  CODE=0
  REASON="gradual-rollback.sh: $STEP%" "$HERE/manage-traffic.sh" blue $((100 - STEP)) || CODE=$?
  if [ "$CODE" != 0 ]; then
    [ "$STEP" = 0 ] && exit "$CODE"
    echo "The step to $STEP% failed: everybody goes to blue" >&2
    exec "$HERE/rollback-traffic.sh"
  fi
  echo "Error rate: $(curl -s -m 10 "$METRICS_URL/api/metrics/error-rate")"
done
echo "Gradual rollback completed"
