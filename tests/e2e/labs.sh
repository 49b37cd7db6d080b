# The lab of an end-to-end test: its own, or one that the tests of a group have one after the
# other. Sourced by lib.sh, not run.
# shellcheck shell=bash

# lab [flags of cluster create...]: settings for a lab of its own; does not start it.
lab() { use_lab "$work" "$base" "$@"; }
# use_lab HOME FIRST [flags...]: a lab below a directory, from that port on. Sets $lab, $lab_dir
# and the environment of `oi` and `oi-local-cluster`.
use_lab() {
  lab_home=$1 lab_base=$2 lab=e2e$2 lab_flags=("${@:3}")
  export OI_LOCAL_DIR=$lab_home/lab OI_LOCAL_NAME=$lab OI_LOCAL_BASE_PORT=$lab_base OI_LOCAL_PUBLIC_PORT=$((lab_base + 100))
  lab_dir=$OI_LOCAL_DIR/$lab
  addresses "$lab_base"
}
# What is started in the lab is the lab's, not the test's: nothing in its environment is of the
# test, by which it would be found.
lab_tool() {
  (
    cd "$lab_home"
    unset OLDPWD KUBECONFIG
    OI_TEST_WORK=$lab_home TMPDIR=$lab_home/tmp oi-local-cluster "$@" 2>>"$work/lab.log"
  )
}
# Creating goes on where it was: what failed once is said, and tried once more.
create_lab() {
  lab_tool cluster create "${lab_flags[@]}" && return
  printf 'creating the lab failed, trying once more:\n' >&2
  tail -n 10 "$work/lab.log" >&2
  sleep 2
  lab_tool cluster create "${lab_flags[@]}"
}
component() { lab_tool cluster "$1" --component "$2" "${@:3}"; }
# worker COMMAND...: oi-local-cluster worker; on NAME COMMAND...: in a worker.
worker() { lab_tool worker "$@"; }
on() { oi-local-cluster worker exec --worker "$1" -- "${@:2}"; }

# shared_lab GROUP: a lab that the tests of a group have one after the other where `all` runs
# them, and each for itself where it is run alone. A test takes away what it made there; after
# one that failed the next gets a new lab.
shared_lab() {
  local flags=(--size-private 1)
  case $1 in
    # One of these looks for secrets in what a server says at most.
    plain) export OI_LOG=debug ;;
    nodes) export OI_ADDONS_EVERY=3 ;;
    *) die "there is no group $1 of tests" ;;
  esac
  if [ -z "${OI_TEST_SHARED:-}" ]; then lab "${flags[@]}"; return; fi
  shared=$OI_TEST_SHARED/$1
  if [ -e "$shared/first-port" ]; then
    use_lab "$shared" "$(cat "$shared/first-port")" "${flags[@]}"
    ! usable || return 0
    destroy_lab
  fi
  mkdir -p "$shared/tmp"
  claim_ports
  echo "$claimed" >"$shared/first-port"
  use_lab "$shared" "$claimed" "${flags[@]}"
}
shared=
# Whether all parts of the lab answer.
usable() { timeout 10 oi hypervisor list -o json 2>/dev/null | jq -e 'length > 0 and all(.reach == "reachable")' >/dev/null; }

# Whether the lab stays for the next test, which it does when it is as it was.
stays() { [ -n "$shared" ] && [ -z "$failed" ] && clear_lab >"$work/clear.log" 2>&1; }
clear_lab() {
  local name left
  for name in $(oi-local-cluster worker list | cut -f1); do worker destroy --worker "$name"; done
  for name in $(oi cluster list -o json | jq -r '.[].name'); do oi cluster delete "$name" --wait --timeout 120; done
  for name in $(oi hypervisor list -o json | jq -r '.[] | select(.cordoned) | .name'); do oi hypervisor uncordon "$name"; done
  left=$(sandboxes) && [ -z "$(grep -v ' helper$' <<<"$left")" ] && [ -z "$(oi-local-cluster worker list)" ] &&
    [ "$(oi job list -o json | jq length)" = 0 ] && ! find "$lab_dir"/*/data/clusters -mindepth 1 | grep .
}
destroy_lab() {
  if ! oi-local-cluster cluster destroy >"$work/destroy.log" 2>&1; then
    cat "$work/destroy.log" >&2
    failed=yes
  fi
  [ -z "$shared" ] || rm -rf "$shared"
}
# The words by which `traces` finds what is the lab's. Asked for while it is there.
lab_marks() {
  printf '%s\n' "dir $lab_home" "ports $lab_base-$((lab_base + 399))" "lab $lab" "tag $(lab_tag)"
  [ ! -e "$lab_dir/lab.json" ] || jq -r '"net 10.89.\(.subnet)."' "$lab_dir/lab.json"
}
# What names of interfaces and cgroups of the lab begin with.
lab_tag() { printf 'oi%s' "$(printf %s "$lab_dir" | sha256sum | cut -c1-6)"; }
