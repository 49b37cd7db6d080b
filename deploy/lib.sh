# Shared by the scripts here: settings, progress, stamps. Sourced, not run.
# shellcheck shell=bash
set -euo pipefail

deploy_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo_dir=$(dirname "$deploy_dir")
OI_CACHE=${OI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/oi}
export OI_CACHE
# The profile that oi is built in, and the directory where cargo leaves its programs: `dev`
# compiles fast and is what labs and tests run; `release` is for benchmarks and real use.
OI_PROFILE=${OI_PROFILE:-dev}
oi_bin_dir=${CARGO_TARGET_DIR:-$repo_dir/target}/${OI_PROFILE/#dev/debug}
bin_dir=$OI_CACHE/bin
cni_dir=$OI_CACHE/cni
registry_dir=$OI_CACHE/registry
manifest_dir=$OI_CACHE/manifests
stamp_dir=$OI_CACHE/stamps
# shellcheck source=versions.env
source "$deploy_dir/versions.env"
# What deploy/packages installs is found, too; what is in PATH already comes first.
export PATH=$PATH:$HOME/.cargo/bin:/usr/local/go/bin:$OI_CACHE/go/bin
# More Kubernetes versions can be asked for, separated by spaces.
OI_KUBERNETES_VERSIONS=${OI_KUBERNETES_VERSIONS:-$KUBERNETES_VERSION}

say() { printf '==> [%4ds] %s\n' "$SECONDS" "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Whether an artefact was made from exactly these inputs.
stamped() { [ "$(cat "$stamp_dir/$1" 2>/dev/null)" = "$2" ]; }
stamp() { mkdir -p "$stamp_dir"; printf '%s' "$2" > "$stamp_dir/$1.part"; mv "$stamp_dir/$1.part" "$stamp_dir/$1"; }

# The last kube-apiserver's path for a version: the newest has the plain name.
kube_bin_dir() { printf '%s/kubernetes-%s' "$OI_CACHE" "$1"; }
