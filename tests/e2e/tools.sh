# What end-to-end tests look at and do in their labs. Sourced by lib.sh, not run.
# shellcheck shell=bash

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
# `ok` or `failed` and the time in ms for each, and why in FILE.errors.
prober() { exec python3 "$tests_dir/prober.py" "$KUBECONFIG" "probe-$BASHPID" >"$1" 2>"$1.errors"; }
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

# hostnames POD URL TIMES: what the agnhost that answers at the URL calls itself, each once,
# after so many questions from that pod.
hostnames() {
  kubectl exec "$1" -- sh -c 'for _ in $(seq "$1"); do curl -s -m 5 "$0"; echo; done' "$2" "$3" 2>/dev/null | sort -u | grep . || true
}
# answers TEXT POD URL COUNT: so many agnhosts answer at the URL. kube-proxy may learn of a pod
# that is ready a moment later.
answers() { within 10 "$1" "[ \"\$(hostnames $2 $3 40 | wc -l)\" = $4 ]"; }

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
