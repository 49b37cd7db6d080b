# Shared by the scripts here: settings, progress, stamps. Sourced, not run.
# shellcheck shell=bash
set -euo pipefail

deploy_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo_dir=$(dirname "$deploy_dir")
OI_CACHE=${OI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/oi}
export OI_CACHE
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
# The profile that oi is built in, and the directory where cargo leaves its programs: `dev`
# compiles fast and is what labs and tests run; `release` is for benchmarks and real use.
OI_PROFILE=${OI_PROFILE:-dev}
oi_bin_dir=${CARGO_TARGET_DIR:-$repo_dir/target}/${OI_PROFILE/#dev/debug}
# What the times in messages count from.
export OI_BEGAN=${OI_BEGAN:-$EPOCHSECONDS}

# On a terminal, a message replaces the line that shows progress.
if [ -t 2 ]; then erase=$'\r\e[K'; else erase=; fi
say() { printf '%s==> [%4ds] %s\n' "$erase" $((EPOCHSECONDS - OI_BEGAN)) "$*" >&2; }
die() { printf '%serror: %s\n' "$erase" "$*" >&2; exit 1; }

# Whether images and programs can be had from where their projects publish them. Any answer
# will do; OI_UPSTREAM=no never asks.
upstream() {
  if [ -z "${OI_UPSTREAM:-}" ]; then
    OI_UPSTREAM=no
    ! curl -sI --max-time 5 -o /dev/null https://registry.k8s.io/v2/ || OI_UPSTREAM=yes
    export OI_UPSTREAM
  fi
  [ "$OI_UPSTREAM" = yes ]
}

# Whether an artefact was made from exactly these inputs.
stamped() { [ "$(cat "$stamp_dir/$1" 2>/dev/null)" = "$2" ]; }
stamp() { mkdir -p "$stamp_dir"; printf '%s' "$2" >"$stamp_dir/.$1.$$"; mv "$stamp_dir/.$1.$$" "$stamp_dir/$1"; }

# The directory of a Kubernetes version's programs.
kube_bin_dir() { printf '%s/kubernetes-%s' "$OI_CACHE" "$1"; }

# build_oi [PACKAGE...]: builds the programs of oi into $oi_bin_dir, and those of more packages.
# Always all of them: what they depend on is compiled once, with the features that all need.
build_oi() {
  local -a packages=(oi-server oi-cli oi-audit oi-proof oi-lab oi-helper oi-tunnel "$@")
  cargo build --locked --profile "$OI_PROFILE" --manifest-path "$repo_dir/Cargo.toml" --bins "${packages[@]/#/--package=}"
}

# Long work is divided into parts. While parts run, a line shows which ones and for how long;
# at the end a table shows how long each took. A script adds its parts to those of the script
# that calls it: $OI_PARTS has a file `running.PID` for the part that each runs, and `done`.

# begin_parts: makes the scratch directory $work, and shows progress until the script ends.
# The script may define at_exit.
begin_parts() {
  work=$(mktemp -d)
  part=
  trap end_parts EXIT
  [ -z "${OI_PARTS:-}" ] || return 0
  export OI_PARTS=$work/parts
  mkdir "$OI_PARTS"
  parts_began=$EPOCHSECONDS
  show_progress &
  progress=$!
}

end_parts() {
  local code=$?
  if [ "$code" != 0 ] && [ -n "$part" ]; then
    tail -n 30 "$work/log" >&2
    printf '%serror: %s failed: its last lines are above\n' "$erase" "$part" >&2
  fi
  [ -z "${progress:-}" ] || kill "$progress" 2>/dev/null || true
  ! declare -F at_exit >/dev/null || at_exit
  rm -f "${OI_PARTS:?}/running.$$"
  # Go makes its modules read-only.
  chmod -R u+w "$work"
  rm -rf "$work"
}

# part NAME COMMAND...: runs a command as a part, in a subshell. Its output appears only if it
# fails.
part() {
  local began=$EPOCHSECONDS
  part=$1
  printf '%s %s\n' "$began" "$part" >"$OI_PARTS/running.$$"
  ("${@:2}") >"$work/log" 2>&1
  rm -f "$OI_PARTS/running.$$"
  part=
  record "$1" "$began"
}

# record NAME BEGAN: notes that a part took from then until now.
record() {
  local took=$((EPOCHSECONDS - $2))
  printf '%s %s %s\n' "$2" "$took" "$1" >>"$OI_PARTS/done"
  [ "$took" = 0 ] || say "$1 took $took s"
}

# A line that is updated on a terminal; elsewhere, a line for each new part and every 30 s.
show_progress() {
  local names shown='' at=0 line file began name
  while sleep 1 && kill -0 $$ 2>/dev/null; do
    line='' names=''
    for file in "$OI_PARTS"/running.*; do
      { read -r began name <"$file"; } 2>/dev/null || continue
      line+="${line:+, }$name … $((EPOCHSECONDS - began)) s" names+=$name
    done
    [ -n "$line" ] || continue
    if [ -n "$erase" ]; then
      printf '%s==> [%4ds] %.120s' "$erase" $((EPOCHSECONDS - OI_BEGAN)) "$line" >&2
    elif [ "$names" != "$shown" ] || [ $((EPOCHSECONDS - at)) -ge 30 ]; then
      say "$line"
      shown=$names at=$EPOCHSECONDS
    fi
  done
}

# Prints the table of parts, in the script that began them. Parts may overlap.
show_times() {
  [ -n "${progress:-}" ] && [ -s "$OI_PARTS/done" ] || return 0
  sort -n "$OI_PARTS/done" | awk -v began="$parts_began" -v now="$EPOCHSECONDS" -v erase="$erase" '
    function time(s) { return sprintf("%d:%02d", s / 60, s % 60) }
    function row(name, from, took) { printf "    %-50s %7s %7s\n", name, from, took }
    BEGIN { printf "%s", erase; row("part", "from", "took") }
    { from = $1 - began; took = $2; sub(/^[0-9]+ [0-9]+ /, "") }
    took < 3 { rest += took; next }
    { row($0, time(from), time(took)) }
    END { if (rest) row("parts under 3 s", "", time(rest)); row("all", "", time(now - began)) }' >&2
}
