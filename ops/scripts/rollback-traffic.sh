#!/bin/bash
# Sends everybody back to blue, and verifies it. The fastest way back.
#
#   rollback-traffic.sh
#
# Exit codes: as manage-traffic.sh. Variables: see common.sh.
set -u
REASON="${REASON:-rollback-traffic.sh}" exec "$(dirname "$0")/manage-traffic.sh" blue 100
