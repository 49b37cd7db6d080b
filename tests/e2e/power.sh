# Disks that can lose their power, and machines that come back one after the other. Sourced by
# the tests of it, not run.
# shellcheck shell=bash

# What a disk of an image below $work holds is only what was synced to it: a file system that
# is shut down so drops every page and every entry of its journal that is not there yet.
# disk DIRECTORY MEBIBYTES: a disk of its own at that directory. Its image is sparse.
disk() {
  local image=$work/disks/${1##*/}
  mkdir -p "$work/disks" "$1"
  truncate -s "$2M" "$image"
  mkfs.ext4 -q -F -m 0 "$image"
  attach "$1"
  mounts+=("$1")
}
attach() { mount -o loop,noinit_itable "$work/disks/${1##*/}" "$1"; }
# power_off DIRECTORY...: the disks there stop, all in the same moment. EXT4_IOC_SHUTDOWN without
# flushing the journal (linux/fs.h).
power_off() {
  python3 - "$@" <<'P'
import fcntl, os, struct, sys
for disk in [os.open(path, os.O_RDONLY) for path in sys.argv[1:]]:
    fcntl.ioctl(disk, 0x8004587D, struct.pack("I", 2))
P
}
# soon SECONDS 'SHELL COMMAND': whether it succeeds before long.
soon() {
  local end=$((SECONDS + $1))
  until condition "$2"; do [ "$SECONDS" -lt "$end" ] || return 1; sleep 0.1; done
}
# detach DIRECTORY...: nothing is mounted there or below any more. Where a mount namespace of
# somebody else has the disk still, it goes on as a copy: the same file system, mounted anew,
# would stay shut down.
detach() {
  local dir image
  for dir; do
    image=$work/disks/${dir##*/}
    awk -v dir="$dir" '$5 == dir || index($5, dir "/") == 1 {print $5}' /proc/self/mountinfo | tac | xargs -r -n 1 umount -l
    soon 5 "[ -z \"\$(losetup -n -O NAME -j '$image')\" ]" || { cp --sparse=always "$image" "$image.copy" && mv "$image.copy" "$image"; }
  done
}
# parts: the pids of all that runs on the machines of the lab, as `traces` finds them.
parts() {
  printf 'dir %s\ntag %s\n' "$lab_dir" "$(lab_tag)" | env -i PATH="$PATH" "$tests_dir/traces" | sed -n 's/^process \([0-9]*\):.*/\1/p'
}
# power_cut DISK...: all of the lab's machines stop: nobody sees how a disk or another process
# went. What a machine does not keep on its disk is gone: its network, its mounts, its cgroups.
power_cut() {
  local pids h
  mapfile -t pids < <(parts)
  kill -STOP "${pids[@]}" 2>/dev/null || true
  power_off "$@"
  while [ ${#pids[@]} -gt 0 ]; do
    kill -KILL "${pids[@]}" 2>/dev/null || true
    mapfile -t pids < <(parts)
  done
  for h in $(hypervisors); do
    ip netns delete "$h"
    rm -rf "/run/oi-local/$(cable_of "$h")"
  done
  detach "$@"
  soon 20 "find /sys/fs/cgroup -depth -type d -path '*/$(lab_tag)[pu]*' -exec rmdir {} +" || fail "the cgroups of the machines are empty"
}
# The name of a hypervisor's cable, which is that of its cgroup, too.
cable_of() { local kind=${1%-*}; kind=${kind##*-}; printf '%s%s%s' "$(lab_tag)" "$([ "$kind" = public ] && echo u || echo p)" "${1##*-}"; }

# power_on MACHINE: it is back when its containerd answers; `site`, when oi-server does. A machine
# keeps what containerd has of its state in memory only.
power_on() {
  if [ "$1" = site ]; then
    attach "$lab_dir/jetstream"
    component start nats
    component start server
    return
  fi
  attach "$lab_dir/$1"
  rm -rf "$lab_dir/$1/containerd/state"
  component start "$1"
}
