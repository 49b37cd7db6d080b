# Shared by the benchmarks: what end-to-end tests have, but in release builds. Sourced, not run.
# shellcheck shell=bash
export OI_PROFILE=release
source "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
build_oi oi-tests
"$deploy_dir/images" helper
