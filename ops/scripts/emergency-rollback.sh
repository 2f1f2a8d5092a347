#!/bin/bash
# Emergency: everybody to blue, health verified, team and public told.
#
#   emergency-rollback.sh
#
# Exit codes: that of manage-traffic.sh if traffic could not be moved or verified; 4 if blue is not healthy; 5 if only
# telling somebody failed; else 0.
# Variables: common.sh, and where they are set: SLACK_WEBHOOK (the path after /services/, or a whole address), PAGE_ID and
# STATUS_TOKEN (Statuspage), PD_TOKEN, INCIDENT_ID and PD_FROM (PagerDuty: a key of its REST API, the incident that is
# acknowledged, the address of whoever does it), SLACK_URL, STATUSPAGE_URL and PAGERDUTY_URL (other addresses of the three).
set -u
HERE="$(dirname "$0")"
. "$HERE/common.sh"
CODE=0

echo "EMERGENCY ROLLBACK INITIATED"
echo "Timestamp: $(date)"

echo "Step 1: Routing 100% traffic to blue environment"
REASON="${REASON:-emergency-rollback.sh}" "$HERE/manage-traffic.sh" blue 100 || CODE=$?

echo "Step 2: Verifying system health"
HEALTH_CHECK="$(status_of "$API_URL/health")"
if [ "$HEALTH_CHECK" = 200 ]; then
  echo "✅ API health check passed"
else
  echo "❌ API health check failed: $HEALTH_CHECK"
  [ "$CODE" = 0 ] && CODE=4
fi
TRACKING_CHECK="$(status_of "$TRACK_URL/pixel/test.png")"
if [ "$TRACKING_CHECK" = 200 ]; then
  echo "✅ Tracking health check passed"
else
  echo "❌ Tracking health check failed: $TRACKING_CHECK"
  [ "$CODE" = 0 ] && CODE=4
fi

if [ "$CODE" = 0 ]; then
  WHAT="EMERGENCY ROLLBACK COMPLETED\\nSystem rolled back to blue environment"
  NAME="Emergency Rollback Completed"
  INCIDENT=monitoring
  BODY="System has been rolled back to stable version. Monitoring for stability."
else
  WHAT="EMERGENCY ROLLBACK NEEDS HELP (exit code $CODE)\\nIt is not certain that all traffic is on blue and healthy"
  NAME="Emergency Rollback Under Way"
  INCIDENT=investigating
  BODY="A rollback to the stable version is under way. We are investigating."
fi

# What is told goes out whatever happened before: somebody has to look.
echo "Step 3: Sending notifications"
if [ -n "${SLACK_WEBHOOK:-}" ]; then
  case "$SLACK_WEBHOOK" in
    http*) SLACK="$SLACK_WEBHOOK" ;;
    *) SLACK="${SLACK_URL:-https://hooks.slack.com/services}/$SLACK_WEBHOOK" ;;
  esac
  # The address is the secret.
  TOLD="$(status_of -X POST -K <(printf 'url = "%s"\n' "$SLACK") -H 'Content-type: application/json' \
    -d "{\"text\":\"🚨 $WHAT\\nTimestamp: $(date)\"}")"
  case "$TOLD" in
    2*) echo "Slack was told" ;;
    *) echo "Slack answered $TOLD" >&2; [ "$CODE" = 0 ] && CODE=5 ;;
  esac
else
  echo "Slack: not told, SLACK_WEBHOOK is not set"
fi
if [ -n "${PAGE_ID:-}" ] && [ -n "${STATUS_TOKEN:-}" ]; then
  TOLD="$(status_of -X POST "${STATUSPAGE_URL:-https://api.statuspage.io}/v1/pages/$PAGE_ID/incidents" \
    -H @<(authorization "OAuth $STATUS_TOKEN") -H "Content-Type: application/json" \
    -d "{\"incident\": {\"name\": \"$NAME\", \"status\": \"$INCIDENT\", \"body\": \"$BODY\"}}")"
  case "$TOLD" in
    2*) echo "Statuspage was told" ;;
    *) echo "Statuspage answered $TOLD" >&2; [ "$CODE" = 0 ] && CODE=5 ;;
  esac
else
  echo "Statuspage: not told, PAGE_ID and STATUS_TOKEN are not set"
fi
if [ -n "${PD_TOKEN:-}" ] && [ -n "${INCIDENT_ID:-}" ]; then
  TOLD="$(status_of -X PUT "${PAGERDUTY_URL:-https://api.pagerduty.com}/incidents/$INCIDENT_ID" \
    -H @<(authorization "Token token=$PD_TOKEN") -H "From: ${PD_FROM:-}" -H "Content-Type: application/json" \
    -d '{"incident": {"type": "incident_reference", "status": "acknowledged"}}')"
  case "$TOLD" in
    2*) echo "PagerDuty: incident $INCIDENT_ID is acknowledged" ;;
    *) echo "PagerDuty answered $TOLD" >&2; [ "$CODE" = 0 ] && CODE=5 ;;
  esac
else
  echo "PagerDuty: not told, PD_TOKEN and INCIDENT_ID are not set"
fi

if [ "$CODE" = 0 ]; then
  echo "Emergency rollback completed successfully"
else
  echo "Emergency rollback ended with exit code $CODE"
fi
exit "$CODE"
