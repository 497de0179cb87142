#!/usr/bin/env bash
# What a GPU does, in under eight minutes: the tests that need one, then one table of speeds; see gpu.py.
#   benchmarks/gpu.sh [PYTHON]
# Without a GPU, the tests are skipped and the table is of tiny sizes on the processor.
set -o pipefail
cd "$(dirname "$0")/.." || exit 1
python=${1:-python}
report=$(mktemp)
trap 'rm -f "$report"' EXIT

timeout 180 "$python" -m pytest -q -m cuda tests/devices 2>&1 | tee "$report"
status=$?
tests=$(tail -n 1 "$report")
[ "$status" -eq 124 ] && tests="stopped after 180 s"

timeout 280 "$python" benchmarks/gpu.py --tests "$tests" || exit 1
exit "$status"
