#!/bin/bash
# Checks an environment: health, database, cache, tracking, response time.
#
#   validate-deployment.sh blue|green
#
# With LB_ADMIN_TOKEN the environment that is named is asked, whatever the split; without it, whichever a visitor gets.
# Exit codes: 0 all checks passed, 1 wrong arguments or a check failed. Variables: see common.sh.
set -u
. "$(dirname "$0")/common.sh"

ENVIRONMENT="${1:-}"
ERRORS=0
if [ "$ENVIRONMENT" != blue ] && [ "$ENVIRONMENT" != green ]; then
  fail 1 "Invalid environment. Use 'blue' or 'green'"
fi

# Asks the environment that is named where the token is known: pinned curl URL.
pinned() {
  if [ -n "${LB_ADMIN_TOKEN:-}" ]; then
    "$@" -H "X-Environment: $ENVIRONMENT" -H @<(authorization "Bearer $LB_ADMIN_TOKEN")
  else
    "$@"
  fi
}

echo "Validating deployment for $ENVIRONMENT environment"

check() {
  if [ "$2" = "$3" ]; then
    echo "✅ $1"
  else
    echo "❌ $1: ${2:-no answer}"
    ERRORS=$((ERRORS + 1))
  fi
}

echo "Checking which environment answers..."
check "Environment is $ENVIRONMENT" \
  "$(curl -s -m 10 -H "X-Environment: $ENVIRONMENT" "$API_URL/health" | member environment)" "$ENVIRONMENT"

echo "Checking API health..."
API_HEALTH="$(pinned curl -s -m 10 "$API_URL/health/detailed")"
check "API is healthy" "$(printf '%s' "$API_HEALTH" | sed 's/"components".*//' | member status)" healthy

echo "Checking database health..."
check "Database is healthy" "$(printf '%s' "$API_HEALTH" | component database)" healthy

echo "Checking Redis health..."
check "Redis is healthy" "$(printf '%s' "$API_HEALTH" | component redis)" healthy

echo "Checking tracking functionality..."
check "Pixel tracking is working" "$(pinned status_of "$TRACK_URL/pixel/test.png")" 200

echo "Checking response times..."
RESPONSE_TIME="$(curl -o /dev/null -s -m 10 -w '%{time_total}' -H "X-Environment: $ENVIRONMENT" "$API_URL/health" || true)"
RESPONSE_TIME_MS="$(awk -v s="${RESPONSE_TIME:-10}" 'BEGIN { printf "%.0f", s * 1000 }')"
if [ "$RESPONSE_TIME_MS" -lt 100 ]; then
  echo "✅ Response time is good: ${RESPONSE_TIME_MS}ms"
else
  echo "⚠️ Response time is high: ${RESPONSE_TIME_MS}ms"
fi

echo "Validation completed with $ERRORS errors"
if [ "$ERRORS" -eq 0 ]; then
  echo "🎉 All health checks passed!"
  exit 0
else
  echo "💥 $ERRORS health checks failed!"
  exit 1
fi
