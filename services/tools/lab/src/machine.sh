# The first process of a worker machine of a lab: everything that the machine may write to is
# its own, and with this process all of it ends. Run with sh in new mount, UTS, IPC and PID
# namespaces, and in the machine's network namespace.
#
# usage: machine.sh NAME DIR ADDRESS GATEWAY CONTAINERD REAPER [ROOT]
#
# ROOT is where another operating system's files are; the host's where absent.
set -eu
name=$1 dir=$2 address=$3 gateway=$4 containerd=$5 reaper=$6 root=${7:-}

# Mounts stay here, and reach the machine's own containers.
mount --make-rprivate /
mount --make-rshared /
mkdir -p "$dir/var/lib/containerd" "$dir/var/lib/kubelet" "$dir/var/log" "$dir/var/tmp" "$dir/sysctl"
for part in etc opt usr; do
  mkdir -p "$dir/upper/$part" "$dir/work/$part"
  mount -t overlay overlay -o "lowerdir=$root/$part,upperdir=$dir/upper/$part,workdir=$dir/work/$part" "/$part"
done
printf '%s\n' "$name" >/etc/hostname
printf '127.0.0.1 localhost\n%s %s\n' "$address" "$name" >/etc/hosts
# A server on loopback would be each pod's own.
if ! grep -q '^nameserver' /etc/resolv.conf || grep -q '^nameserver 127\.' /etc/resolv.conf; then
  rm -f /etc/resolv.conf
  printf 'nameserver %s\n' "$gateway" >/etc/resolv.conf
fi
hostname "$name"
mkdir -p /opt/cni/bin /etc/cni/net.d
cp "$dir/cni/"* /opt/cni/bin/
mkdir -p /etc/containerd /etc/default /etc/kubernetes/kubelet.conf.d
cp -r "$dir/certs.d" /etc/containerd/
cp "$dir/config.toml" /etc/containerd/
cp "$dir/kubelet.conf" /etc/kubernetes/kubelet.conf.d/10-lab.conf
echo 'KUBELET_EXTRA_ARGS="--config-dir=/etc/kubernetes/kubelet.conf.d"' >/etc/default/kubelet

# Its own sysfs (interfaces) and its own part of the cgroups.
cgroup2=$([ -e /sys/fs/cgroup/cgroup.controllers ] && echo yes || echo no)
controllers=$(ls /sys/fs/cgroup)
mount -t sysfs sysfs /sys
if [ "$cgroup2" = yes ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mkdir -p /sys/fs/cgroup/machine
  while read -r pid; do echo "$pid" >/sys/fs/cgroup/machine/cgroup.procs; done </sys/fs/cgroup/cgroup.procs
  for c in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$c" >/sys/fs/cgroup/cgroup.subtree_control; done
else
  mount -t tmpfs tmpfs /sys/fs/cgroup
  for c in $controllers; do
    [ "$c" != unified ] || continue
    mkdir -p "/sys/fs/cgroup/$c"
    if [ "$c" = systemd ]; then
      mount -t cgroup -o none,name=systemd cgroup "/sys/fs/cgroup/$c"
    else
      mount -t cgroup -o "$c" cgroup "/sys/fs/cgroup/$c"
    fi
  done
fi

# What a kubelet would set for the whole host has here the value that it wants already.
sysctl() {
  printf '%s\n' "$2" >"$dir/sysctl/$1"
  mount --bind "$dir/sysctl/$1" "/proc/sys/$(printf '%s' "$1" | tr . /)"
}
sysctl vm.overcommit_memory 1
sysctl vm.panic_on_oom 0
sysctl kernel.panic 10
sysctl kernel.panic_on_oops 1
sysctl kernel.keys.root_maxkeys 1000000
sysctl kernel.keys.root_maxbytes 25000000
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null || true

mount -t tmpfs tmpfs /run
mount --bind "$dir/var" /var
ln -s /run /var/run

"$containerd" -c /etc/containerd/config.toml --log-level warn >>/var/log/containerd.log 2>&1 &
exec "$reaper" reap
