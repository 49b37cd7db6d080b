# The roles of oi beside a lab: three brokers whose streams are replicated, two deciders, two
# gateways and two workers, each a process in a network namespace of its own on the lab's bridge;
# and the ways to strike them. Sourced, not run.
# shellcheck shell=bash

# Of each process its number; what is to be undone, and when.
declare -A pid=()
# The processes that had a clock of their own.
faked=()
declare -A octet=([broker-1]=201 [broker-2]=202 [broker-3]=203 [decider-1]=211 [decider-2]=212
  [gateway-1]=221 [gateway-2]=222 [worker-1]=231 [worker-2]=232)
brokers=(broker-1 broker-2 broker-3)
roles=(decider-1 decider-2 gateway-1 gateway-2 worker-1 worker-2)

address() { printf '10.89.%d.%d' "$subnet" "${octet[$1]}"; }
# inside NAME COMMAND...: in that one's network.
inside() { ip netns exec "$lab-$1" "${@:2}"; }
# network NAME: a namespace with a cable to the lab's bridge.
network() {
  local name=$lab-$1 cable=$tag"x"${octet[$1]}
  ip netns add "$name"
  ip link add "$cable" type veth peer name eth0 netns "$name"
  ip link set "$cable" master "$tag" up
  ip -n "$name" link set lo up
  ip -n "$name" addr add "$(address "$1")/24" dev eth0
  ip -n "$name" link set eth0 up
  ip -n "$name" route add default via "10.89.$subnet.1"
}
# roles_begin: what they need, once the lab is there. Private hypervisors let workers in, too;
# each worker has a link of its own to each hypervisor's runtime.
roles_begin() {
  local name h
  subnet=$(jq .subnet "$lab_dir/lab.json") tag=$(lab_tag)
  nats_urls=$(for name in "${brokers[@]}"; do printf 'nats://%s:4222,' "$(address "$name")"; done)
  nats_urls=${nats_urls%,}
  nats_routes=$(for name in "${brokers[@]}"; do printf '"nats://%s:6222", ' "$(address "$name")"; done)
  nats_routes="[${nats_routes%, }]"
  for name in "${!octet[@]}"; do network "$name"; done
  mkdir -p cri/here cri/worker-1 cri/worker-2
  for h in $(hypervisors); do
    for name in worker-1 worker-2; do
      case $h in *-private-*) ip netns exec "$h" iptables -w -t mangle -I PREROUTING -s "$(address "$name")" -j ACCEPT ;; esac
      python3 "$tests_dir/relay.py" "cri/$name/$h.sock" "$lab_dir/$h/cri.sock" >>relay.log 2>&1 & pid[$name/$h]=$!
      disown
    done
  done
  moved +0
}
roles_end() {
  local name
  for name in "${!pid[@]}"; do kill -9 "${pid[$name]}" 2>/dev/null || true; done
  for name in "${!pid[@]}"; do while alive "$name"; do sleep 0.1; done; done
  # libfaketime leaves them of a process that was killed.
  for name in "${faked[@]}"; do rm -f "/dev/shm/faketime_shm_$name" "/dev/shm/sem.faketime_sem_$name"; done
  for name in "${!octet[@]}"; do
    ip netns pids "$lab-$name" 2>/dev/null | xargs -r kill -9 || true
    ip netns del "$lab-$name" 2>/dev/null || true
  done
}

broker() {
  OI_NATS_NAME=$1 OI_NATS_STORE=$work/store/$1 OI_NATS_LISTEN=$(address "$1"):4222 OI_NATS_MONITOR=$(address "$1"):8222 \
    OI_NATS_CLUSTER=$(address "$1"):6222 OI_NATS_ROUTES=$nats_routes \
    ip netns exec "$lab-$1" nats-server -c "$repo_dir/deploy/nats/cluster.conf" >>"$1.log" 2>&1 & pid[$1]=$!
  disown
}
# role NAME: the clock of the second decider is what the file `clock.shift` says.
role() {
  local name=$1
  local -a before=(env OI_LOG=warn)
  case $name in
    worker-*) before=(sh -c 'mount --bind "cri/$0" cri/here && exec "$@"' "$name" "${before[@]}") ;;
    decider-2) before+=("FAKETIME_TIMESTAMP_FILE=$work/clock.shift" FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
      LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1) ;;
  esac
  ip netns exec "$lab-$name" "${before[@]}" oi-server --roles "${name%-*}" --name "$name" --replicas 3 --nats-url "$nats_urls" \
    --key-file "$work/kek" --create-key-file --backup-store "file://$work/backups" \
    --listen "$(address "$name"):7440" --metrics-listen "$(address "$name"):7441" >>"$name.log" 2>&1 & pid[$name]=$!
  disown
  [ "$name" != decider-2 ] || faked+=("$!")
}
start() { case $1 in broker-*) broker "$1" ;; *) role "$1" ;; esac; }
healthy() {
  case $1 in
    broker-*) curl -m 2 -fs "$(address "$1"):8222/healthz" ;;
    *) curl -m 2 -fs "$(address "$1"):7441/readyz" ;;
  esac
}
moved() { echo "$1" >clock.new && mv clock.new clock.shift; }

# The strikes. Each fails where there is nothing that it could hit, and then changes nothing.
alive() { [ -n "${pid[$1]:-}" ] && kill -0 "${pid[$1]}" 2>/dev/null; }
dies() {
  alive "$1" && kill -9 "${pid[$1]}" || return
  while alive "$1"; do sleep 0.05; done
  pid[$1]=
}
stops() { alive "$1" && kill -STOP "${pid[$1]}"; }
goes_on() { kill -CONT "${pid[$1]}"; }
wall() {
  inside "$2" iptables -w "$1" INPUT -s "$3" -j DROP
  inside "$2" iptables -w "$1" OUTPUT -d "$3" -j DROP
}
# One hears nothing of the brokers.
is_cut_off() { ip link show "$tag"x"${octet[$1]}" | grep -q 'state UP' && alive "$1" && ip link set "$tag"x"${octet[$1]}" down; }
is_back() { ip link set "$tag"x"${octet[$1]}" up; }
# A broker and a gateway hear each other, and nobody else: no decider is there.
apart() {
  local name
  alive "$1" && alive "$2" || return
  for name in "${brokers[@]}"; do
    [ "$name" = "$1" ] || { wall -A "$1" "$(address "$name")"; wall -A "$2" "$(address "$name")"; }
  done
  for name in "${roles[@]}"; do [ "$name" = "$2" ] || wall -A "$1" "$(address "$name")"; done
}
together() {
  inside "$1" iptables -w -F
  inside "$2" iptables -w -F
}
# A worker does not reach a hypervisor, its runtime or what it runs.
far() { alive "$1" && stops "$1/$2" && wall -A "$1" "$3"; }
near() { wall -D "$1" "$3"; goes_on "$1/$2"; }
# fills DIRECTORY: its file system has no room left.
fills() { cat /dev/zero >"$1/fill" 2>/dev/null || [ "$(df --output=avail "$1" | tail -n 1 | tr -d ' ')" = 0 ]; }
