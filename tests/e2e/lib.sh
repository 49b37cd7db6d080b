# Shared by the end-to-end tests: a directory, ports and a lab of its own for each, checks, and
# the search for what is left behind. Sourced, not run.
# shellcheck shell=bash
tests_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$tests_dir/../../deploy/lib.sh"
export PATH=$oi_bin_dir:$bin_dir:$PATH

# The test's own directory. Its path is in the environment of everything that the test
# starts, by which `traces` finds it; so the test itself is started once more.
test_name=$(basename "$0")
if [ -z "${OI_TEST_WORK:-}" ]; then
  OI_TEST_WORK=$(mktemp -d "/tmp/oi-$test_name.XXXXXX") exec "$0" "$@"
fi
work=$OI_TEST_WORK
mkdir -p "$work/tmp"
export OI_LOCAL_DIR=$work/lab TMPDIR=$work/tmp
cd "$work"

# claim_ports: sets $claimed to the first of four hundred ports that nobody else on this
# machine has: ten for a lab, ninety for the test itself (`port N`), three hundred for public
# hypervisors. A lock says that they are taken, as long as anything lives that the test
# started from then on.
claim_ports() {
  local block lock
  mkdir -p /run/lock/oi-tests
  for block in {0..31}; do
    claimed=$((17000 + 400 * block))
    exec {lock}>"/run/lock/oi-tests/$claimed"
    if flock -n "$lock" && ! ls -d "/run/netns/e2e$claimed-"* >/dev/null 2>&1 && [ -z "$(ss -Hltn "sport >= :$claimed and sport < :$((claimed + 400))")" ]; then return; fi
    exec {lock}>&-
  done
  die "no ports are free: /run/lock/oi-tests has a lock for each test that runs"
}
port() { echo $((base + 10 + $1)); }
# addresses FIRST: where a lab's parts listen, or `bare_broker` and `bare_server`.
addresses() {
  export OI_SERVER=http://127.0.0.1:$1 OI_NATS_URL=nats://127.0.0.1:$(($1 + 2))
  metrics=http://127.0.0.1:$(($1 + 1)) monitor=http://127.0.0.1:$(($1 + 4)) page=http://127.0.0.1:$(($1 + 5))
  broker_port=$(($1 + 2))
}

# bare_broker [PORT [STORE [CONF]]]: a broker without a lab, with its monitoring two ports
# above; sets $broker to its pid.
bare_broker() {
  local port=${1:-$broker_port}
  OI_NATS_LISTEN=127.0.0.1:$port OI_NATS_MONITOR=127.0.0.1:$((port + 2)) OI_NATS_STORE=${2:-$work/store} \
    nats-server -c "${3:-$repo_dir/nats.conf}" >>"$work/broker.log" 2>&1 & broker=$!
  children+=("$broker")
  until (exec 8<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.05; done
}
# bare_server [flags of oi-server...]: a gateway and a decider at that broker, or the roles that
# $OI_ROLES names; sets $server to its pid.
bare_server() {
  local roles=${OI_ROLES:-gateway,decider}
  OI_LOG=${OI_LOG:-warn} oi-server --roles "$roles" --nats-url "$OI_NATS_URL" --key-file "$work/kek" --create-key-file \
    --listen "127.0.0.1:$base" --metrics-listen "${metrics#*//}" --console-listen "${page#*//}" "$@" \
    >>"$work/server.log" 2>&1 & server=$!
  children+=("$server")
  within 20 "a server with ${roles/,/ and } runs" "curl -fs $metrics/readyz"
}

children=() mounts=() failed=
# What helps to find out why a test failed.
tell() {
  printf -- '--- what there is, and what is owed\n'
  { timeout 5 oi cluster list; timeout 5 oi node list; timeout 5 oi job list; } || true
  for KUBECONFIG in "$work"/*.kubeconfig; do
    [ -s "$KUBECONFIG" ] || continue
    printf -- '--- pods and events by %s\n' "${KUBECONFIG##*/}"
    export KUBECONFIG
    { timeout 5 kubectl get pods -A -o wide; timeout 5 kubectl get events -A --sort-by=.lastTimestamp | tail -n 25; } || true
  done
  for log in "$work/lab.log" "${lab_dir:-$work}/log/server.log" "$work/server.log"; do
    [ -s "$log" ] || continue
    printf -- '--- the end of %s\n' "${log#"$work"/}"
    tail -n 25 "$log"
  done
}
# Ends all that the test started. One that runs a function is the parent of what that runs.
end_children() {
  local pid live=()
  # The number of one that ended may be that of somebody else's process by now.
  for pid in "${children[@]}"; do
    [ "$(awk '/^PPid:/ {print $2}' "/proc/$pid/status" 2>/dev/null)" != $$ ] || live+=("$pid")
  done
  for pid in "${live[@]}"; do pkill -P "$pid" || true; kill "$pid" 2>/dev/null || true; done
  for pid in "${live[@]}"; do
    timeout 20 tail --pid="$pid" -f /dev/null || { pkill -KILL -P "$pid"; kill -9 "$pid"; } 2>/dev/null || true
  done
}
# The words by which `traces` finds what is this test's.
marks() { printf '%s\n' "dir $work" "ports $base-$((base + 399))" "not $$" "not $PPID"; }
# search MARKS: what is left of that fails the test. What was killed may take a moment to go.
search() {
  local _
  for _ in 1 2 3; do
    env -i PATH="$PATH" "$tests_dir/traces" <<<"$1" >"$work/left"
    [ -s "$work/left" ] || return 0
    sleep 1
  done
  printf 'not ok - something is left behind:\n' >&2
  cat "$work/left" >&2
  failed=yes
}
finish() {
  local code=$? mount left
  trap '' INT TERM
  # What a test must end itself, where it has such a function.
  if declare -F at_end >/dev/null; then at_end || true; fi
  if [ "$code" != 0 ] || [ -n "$failed" ]; then failed=yes; tell >&2; fi
  if [ -n "${OI_TEST_KEEP:-}" ]; then say "$test_name: kept in $work"; exit "$code"; fi
  left=$(marks)
  # Their files go when the last of those who have them open ends.
  for mount in "${mounts[@]}"; do umount -l "$mount" 2>/dev/null || true; done
  if [ -n "${lab:-}" ] && ! stays; then left+=$'\n'$(lab_marks); destroy_lab; fi
  end_children
  search "$left"
  cd /
  rm -rf "$work"
  [ -z "$failed" ] || { say "$test_name: FAILED"; exit 1; }
  say "$test_name: passed"
}
ok() { printf 'ok [%3ds] %s\n' "$SECONDS" "$1"; }
fail() { printf 'FAILED: %s\n' "$1" >&2; failed=yes; exit 1; }
# check TEXT COMMAND...: the command must succeed; `out` has what it said.
check() {
  local text=$1
  shift
  if "$@" >"$work/out" 2>&1; then ok "$text"; else cat "$work/out" >&2; fail "$text"; fi
}
# condition 'SHELL COMMAND': the last command of a pipeline decides. With pipefail it would
# fail at times where `grep -q` finds what it looks for: it ends then, and what still writes
# to it fails.
condition() { (set +o pipefail; eval "$1") >"$work/.said" 2>&1; }
# holds TEXT 'SHELL COMMAND'
holds() { if condition "$2"; then ok "$1"; else cat "$work/.said" >&2; fail "$1"; fi; }
# same TEXT A B
same() { if [ "$2" = "$3" ]; then ok "$1"; else printf '%s\n%s\n' "$2" "$3" >&2; fail "$1"; fi; }
# within SECONDS TEXT 'SHELL COMMAND': it must succeed before long.
within() {
  local end=$((SECONDS + $1)) text=$2
  shift 2
  until condition "$*"; do
    [ "$SECONDS" -lt "$end" ] || { cat "$work/.said" >&2; fail "$text"; }
    sleep 0.2
  done
  ok "$text"
}

position() { oi status -o json | jq .position; }
# settled: nothing is owed; what a pipeline waited for may be there before its last job is done.
settled() { within 60 "nothing is owed" '[ "$(oi job list -o json | jq length)" = 0 ]'; }
# by ACTOR: how many events are in the log on an actor's order.
by() { oi audit log --actor "$1" -o json | wc -l; }
live_hash() { oi status -o json | jq -r .stateHash; }
# The log is clean, and folds to what the server has.
audited() {
  oi audit verify -o json >"$work/verify" || { cat "$work/verify" >&2; fail "$1: the log is clean"; }
  local live replayed
  # Events may still come: equal at one position is what must hold.
  for _ in 1 2 3 4 5; do
    live=$(oi status -o json)
    replayed=$(oi audit replay --to "$(jq .position <<<"$live")" -o json | jq -r .stateHash)
    [ "$(jq -r .stateHash <<<"$live")" = "$replayed" ] && { ok "$1: the log is clean and replays to the live state"; return; }
  done
  fail "$1: the replay differs from the live state"
}

source "$tests_dir/labs.sh"
source "$tests_dir/tools.sh"

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
claim_ports
base=$claimed
addresses "$base"
