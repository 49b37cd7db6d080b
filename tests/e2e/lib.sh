# Shared by the end-to-end tests: a lab of its own for each, checks, and the search
# for what is left behind. Sourced, not run.
# shellcheck shell=bash
source "$(dirname "${BASH_SOURCE[0]}")/../../deploy/lib.sh"
export PATH=${CARGO_TARGET_DIR:-$repo_dir/target}/release:$bin_dir:$PATH

test_name=$(basename "$0")
work=$(mktemp -d "/tmp/oi-$test_name.XXXXXX")
export OI_LOCAL_DIR=$work/lab
cd "$work"

# lab NUMBER [flags of cluster create...]: settings for a lab of its own; each number
# has its own ports. Sets $lab and the environment of `oi`; does not start it.
lab() {
  lab=t$1
  local base=$((17000 + $1 * 10))
  lab_flags=(--name "$lab" --base-port "$base" --public-port $((21000 + $1 * 400)) "${@:2}")
  export OI_SERVER=http://127.0.0.1:$base OI_NATS_URL=nats://127.0.0.1:$((base + 2))
  metrics=http://127.0.0.1:$((base + 1)) broker_port=$((base + 2)) monitor=http://127.0.0.1:$((base + 4)) page=http://127.0.0.1:$((base + 5))
  lab_dir=$OI_LOCAL_DIR/$lab
}
# Creating goes on where it was: what failed once is said, and tried once more.
create_lab() {
  oi-local-cluster cluster create "${lab_flags[@]}" 2>>"$work/lab.log" && return
  printf 'creating the lab failed, trying once more:\n' >&2
  tail -n 10 "$work/lab.log" >&2
  sleep 2
  oi-local-cluster cluster create "${lab_flags[@]}" 2>>"$work/lab.log"
}
# bare_broker PORT STORE [CONF]: a broker of its own beside the lab's; sets $broker to its
# pid.
bare_broker() {
  OI_NATS_LISTEN=127.0.0.1:$1 OI_NATS_MONITOR=127.0.0.1:$(($1 + 1)) OI_NATS_STORE=$2 \
    nats-server -c "${3:-$repo_dir/nats.conf}" >>"$work/broker.log" 2>&1 & broker=$!
  children+=("$broker")
  until (exec 8<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do sleep 0.05; done
}
component() { oi-local-cluster cluster "$1" --name "$lab" --component "$2" "${@:3}" 2>>"$work/lab.log"; }

# All that a lab may leave on a machine, without what changes by itself.
traces() {
  ps -eo comm=,args= | grep -v '<defunct>' | grep -E '^(containerd|runc|nats-server|oi|crane|haproxy|etcd|kube|pause|unshare|flanneld|coredns|agnhost|python|ginkgo|e2e)' || true
  ls /run/netns /run/containerd /run/containerd/s /var/lib/oi /var/lib/oi-local /var/lib/cni /var/run/docker 2>/dev/null || true
  ip -o link | cut -d: -f2 | cut -d@ -f1
  ip -o addr show | awk '$3 == "inet" {print $2, $4}'
  cut -d' ' -f5 /proc/self/mountinfo
  find /sys/fs/cgroup -type d \( -path '*k8s.io*' -o -path '*kubepods*' -o -name 'oi*-w*' \) 2>/dev/null || true
  iptables-save 2>/dev/null | grep -vE '^#|^:' || true
  ls -d /tmp/oi-* /dev/shm/* 2>/dev/null | grep -v "^$work" || true
}
# What iproute2, runc, containerd and CNI make once on a machine, and use ever after.
mkdir -p /run/containerd/runc /run/containerd/s /run/containerd/fifo /var/lib/cni/results
[ -d /run/netns ] || { ip netns add oi-first && ip netns delete oi-first; }
traces | sort >"$work/traces.before"

failed=
finish() {
  local code=$?
  [ "$code" = 0 ] && [ -z "$failed" ] || {
    failed=yes
    printf -- '--- what there is, and what is owed\n' >&2
    { timeout 5 oi cluster list; timeout 5 oi node list; timeout 5 oi job list; } >&2 || true
    printf -- '--- the end of what the lab said\n' >&2
    tail -n 10 "$work/lab.log" >&2 2>/dev/null || true
    printf -- '--- the end of the server log\n' >&2
    tail -n 25 "${lab_dir:-$work}/log/server.log" >&2 2>/dev/null || true
  }
  if [ -n "${OI_TEST_KEEP:-}" ]; then say "$test_name: kept in $work"; exit "$code"; fi
  # Their files go when the last of those who have them open ends.
  for mount in "${mounts[@]}"; do umount -l "$mount" 2>/dev/null || true; done
  [ -z "${lab:-}" ] || oi-local-cluster cluster destroy --name "$lab" >/dev/null 2>&1 || failed=yes
  # One that runs a function is the parent of what that runs.
  for pid in "${children[@]}"; do pkill -P "$pid" || true; kill "$pid" 2>/dev/null || true; done
  wait
  traces | sort >"$work/traces.after"
  comm -13 "$work/traces.before" "$work/traces.after" >"$work/left"
  if [ -s "$work/left" ]; then
    printf 'not ok - something is left behind:\n' >&2
    cat "$work/left" >&2
    failed=yes
  fi
  cd /
  rm -rf "$work"
  [ -z "$failed" ] || { say "$test_name: FAILED"; exit 1; }
  say "$test_name: passed"
}
children=() mounts=()
trap finish EXIT

ok() { printf 'ok [%3ds] %s\n' "$SECONDS" "$1"; }
fail() { printf 'FAILED: %s\n' "$1" >&2; failed=yes; exit 1; }
# check TEXT COMMAND...: the command must succeed.
check() {
  local text=$1
  shift
  if "$@" >"$work/out" 2>&1; then ok "$text"; else cat "$work/out" >&2; fail "$text"; fi
}
# holds TEXT 'SHELL COMMAND'
holds() { if (eval "$2") >"$work/out" 2>&1; then ok "$1"; else cat "$work/out" >&2; fail "$1"; fi; }
# same TEXT A B
same() { if [ "$2" = "$3" ]; then ok "$1"; else printf '%s\n%s\n' "$2" "$3" >&2; fail "$1"; fi; }
# within SECONDS TEXT 'SHELL COMMAND': it must succeed before long.
within() {
  local end=$((SECONDS + $1)) text=$2
  shift 2
  until (eval "$*") >"$work/out" 2>&1; do
    [ "$SECONDS" -lt "$end" ] || { cat "$work/out" >&2; fail "$text"; }
    sleep 0.2
  done
  ok "$text"
}

position() { oi status -o json | jq .position; }
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

# in_cri HYPERVISOR ctr-arguments...
in_cri() {
  # containerd's tool warns of cgroup v1 each time.
  local errors=$work/ctr.$BASHPID
  ctr --address "$lab_dir/$1/cri.sock" --namespace k8s.io "${@:2}" 2>"$errors" || { cat "$errors" >&2; return 1; }
}
hypervisors() { (cd "$lab_dir" && ls -d "$lab"-*-*); }
# Ids of all sandboxes and containers but the helper's.
containers() {
  local h
  for h in $(hypervisors); do
    in_cri "$h" containers list | awk -v h="$h" 'NR > 1 && $2 !~ /oi-helper/ {print h, $1}'
  done | sort
}
# container HYPERVISOR IMAGE: the id of the container of that image.
container() { in_cri "$1" containers list | awk -v image="/$2:" 'index($2, image) {print $1}'; }
# `hypervisor cluster-uid node pod` of each running sandbox, one line each.
sandboxes() {
  local h id
  for h in $(hypervisors); do
    for id in $(in_cri "$h" containers list -q 'labels."io.cri-containerd.kind"==sandbox' ); do
      in_cri "$h" containers info "$id" | jq -r --arg h "$h" \
        '.Labels | select(.["oi/pod"]) | [$h, .["oi/cluster-uid"], .["oi/node"], .["oi/pod"]] | join(" ")'
    done
  done | sort
}

# cluster_documents CLUSTER: the pipeline's documents for one more cluster.
cluster_documents() {
  oi cluster inject --name "$1" </dev/null |
    oi node inject --name cp-1 --cluster "$1" --role controlplane |
    oi node inject --name lb-1 --cluster "$1" --role controlplane-ingress
}
kubeconfig() { oi cluster kubeconfig --cluster "$1" --endpoint-host-override 127.0.0.1; }

# The host's end of a hypervisor's cable.
cable() {
  local index
  index=$(ip -n "$1" -o link show eth0 | sed -n 's/.*eth0@if\([0-9]*\).*/\1/p')
  ip -o link | sed -n "s/^$index: \([^@:]*\).*/\1/p"
}
# A hypervisor is cut off from the others, or back among them; what runs there goes on.
cut_off() { ip link set "$(cable "$1")" down; }
join_again() { ip link set "$(cable "$1")" up; }
# A hypervisor is gone: nobody reaches it or its containerd.
unplug() { cut_off "$1"; component stop "$1"; }
plug() { join_again "$1"; component start "$1"; }
hypervisor_of() { oi node get "$2" --cluster "$1" -o json | jq -r .hypervisor; }

# prober FILE: writes and reads through the ingress of $KUBECONFIG all the time; a line
# `ok` or `failed` and the time in ms for each.
prober() {
  local n=0
  while :; do
    n=$((n + 1))
    if kubectl create configmap "probe-$BASHPID-$n" --from-literal=a=b --request-timeout=5s >/dev/null 2>>"$1.errors" &&
      kubectl get configmap "probe-$BASHPID-$n" --request-timeout=5s >/dev/null 2>>"$1.errors"; then
      echo "ok $(date +%s%3N)"
    else
      echo "failed $(date +%s%3N)"
    fi
  done >"$1"
}
failures() { grep -c failed "$1" || true; }
# The longest time in ms between two successes.
longest_gap() { awk '$1 == "ok" { if (last && $2 - last > gap) gap = $2 - last; last = $2 } END { print gap + 0 }' "$1"; }

# nats_request SUBJECT [PAYLOAD]: one request in the broker's own protocol; prints the reply.
nats_request() {
  local payload=${2:-} line size
  exec 9<>"/dev/tcp/127.0.0.1/$broker_port"
  printf 'CONNECT {"verbose":false}\r\nSUB _INBOX.t 1\r\nPUB %s _INBOX.t %d\r\n%s\r\n' "$1" "${#payload}" "$payload" >&9
  while read -r -t 5 line <&9; do
    case $line in
      MSG*) size=${line##* }; size=${size%$'\r'}; head -c "$size" <&9; echo; break ;;
      PING*) printf 'PONG\r\n' >&9 ;;
    esac
  done
  exec 9>&-
}

# worker COMMAND...: oi-local-cluster worker, for this lab; on NAME COMMAND...: in a worker.
worker() { oi-local-cluster worker "$1" --name "$lab" "${@:2}" 2>>"$work/lab.log"; }
on() { oi-local-cluster worker exec --name "$lab" --worker "$1" -- "${@:2}"; }

# The images of a cluster's containers, by their last name.
components() {
  local h
  for h in $(hypervisors); do
    in_cri "$h" containers list "labels.\"oi/cluster-uid\"==$1" | sed -n 's#.*/\([^/: ]*\):.*#\1#p' | grep -v '^pause$' || true
  done | sort
}
# etcdctl HYPERVISOR CONTAINER ARGUMENTS...: there must be an answer. ctr can lose the
# words of a process that ends at once: it is asked again then.
etcdctl_in() {
  local pki=/etc/kubernetes/pki/etcd answer=$work/etcdctl.$BASHPID
  for _ in 1 2 3 4 5; do
    in_cri "$1" tasks exec --fifo-dir "$work/fifo" --exec-id "t$RANDOM$RANDOM" "$2" etcdctl --endpoints=https://127.0.0.1:2379 \
      --cacert=$pki/ca.crt --cert=$pki/healthcheck-client.crt --key=$pki/healthcheck-client.key "${@:3}" >"$answer" || return
    [ ! -s "$answer" ] || break
    sleep 1
  done
  cat "$answer"
}
# How many members the etcd of a cluster has, by its own word.
etcd_members() {
  local h
  h=$(sandboxes | awk -v uid="$1" '$2 == uid && $4 == "etcd" && !h {h = $1} END {print h}')
  etcdctl_in "$h" "$(container "$h" etcd)" member list | wc -l
}
