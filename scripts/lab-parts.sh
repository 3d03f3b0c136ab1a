# What labs are made of: nodes, cables and bridges in network namespaces named $LAB-NODE. Sourced by scripts/lab and
# scripts/lab-shim, which set LAB, RUN, QUIET and NODES: every name they may have made. `remove_nodes` goes through these
# and never through a pattern.
# shellcheck shell=bash

say() { [[ $QUIET ]] || printf '%s\n' "$*" >&2; }
die() { printf 'lab: %s\n' "$*" >&2; exit 1; }
run() { say "+ $*"; "$@"; }
at() { local node=$1; shift; run ip -n "$LAB-$node" "$@"; }
within() { local node=$1; shift; run ip netns exec "$LAB-$node" "$@"; }
exists() { [[ -e /run/netns/$LAB-$1 ]]; }

# await SECONDS WHAT COMMAND...: waits for a state, says what it waited for in vain.
await() {
  local limit=$1 what=$2; shift 2
  local deadline=$((${EPOCHREALTIME/./} + limit * 1000000))
  until "$@" >/dev/null 2>&1; do
    ((${EPOCHREALTIME/./} < deadline)) || { printf 'lab: waited %s s in vain for: %s\n' "$limit" "$what" >&2; return 1; }
    read -rt 0.02 <> <(:) || true
  done
}

node_up() {
  run ip netns add "$LAB-$1"
  at "$1" link set lo up
  # No duplicate address detection in the lab: nobody else is there, and addresses work at once.
  within "$1" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
}

# cable A:DEV B:DEV MTU: a virtual cable between two namespaces, both ends up.
cable() {
  local a=${1%%:*} adev=${1#*:} b=${2%%:*} bdev=${2#*:} mtu=$3
  run ip -n "$LAB-$a" link add "$adev" mtu "$mtu" type veth peer name "$bdev" mtu "$mtu" netns "$LAB-$b"
  at "$a" link set "$adev" up
  at "$b" link set "$bdev" up
}

# bridge NODE NAME
bridge() {
  at "$1" link add "$2" type bridge mcast_snooping 0
  at "$1" link set "$2" up
}

nic_offload_off() {
  local node dev
  for node in "${NODES[@]}"; do
    exists "$node" || continue
    for dev in $(ip -n "$LAB-$node" -br link show type veth | sed 's/@.*//'); do
      within "$node" ethtool -K "$dev" tx off sg off tso off gso off gro off >/dev/null
    done
  done
}

# Every cable carries a signal at both ends: then the kernel has set up link-local addresses and routes too.
cables_ready() {
  local node
  for node in "${NODES[@]}"; do
    exists "$node" || continue
    [[ -z $(ip -n "$LAB-$node" -br link show type veth | awk '$2 != "UP"') ]] || return 1
  done
}

nothing_is_left() {
  local node
  for node in "${NODES[@]}"; do ! exists "$node" || die "$LAB-$node exists already: ${0##*/} down"; done
}

node_processes() { ip netns pids "$LAB-$1" 2>/dev/null; }
node_quiet() { [[ -z $(node_processes "$1") ]]; }

# Removes all nodes with what runs in them, and the folder of the lab; does no harm when there is nothing.
remove_nodes() {
  local node pids
  for node in "${NODES[@]}"; do
    exists "$node" || continue
    # Only processes inside this namespace are ended, by their ids.
    pids=$(node_processes "$node")
    if [[ $pids ]]; then
      # shellcheck disable=SC2086
      run kill -KILL $pids 2>/dev/null
      await 5 "the processes in $LAB-$node to end" node_quiet "$node"
    fi
    run ip netns del "$LAB-$node"
  done
  rm -rf "$RUN"
  rmdir --ignore-fail-on-non-empty /run/ilnp-lab 2>/dev/null
}

# One line for a node and its addresses.
node_line() {
  printf '%-12s %s\n' "$LAB-$1" "$(ip -n "$LAB-$1" -br -6 addr | awk '$1 != "lo" { sub(/@.*/, "", $1); printf "%s(", $1; for (i = 3; i <= NF; i++) if ($i !~ /^fe80::[0-9a-f]+:/) printf "%s%s", (i > 3 ? " " : ""), $i; printf ") " }')"
}

# pid_of FILE WORDS: the process whose id is in FILE, if it is still the one whose command line has WORDS in it.
pid_of() {
  local pid words tries
  pid=$(cat "$1" 2>/dev/null) || return 1
  # Between two execs, and while it ends, a process has no command line: only a zombie keeps it so.
  for ((tries = 0; tries < 100; tries++)); do
    words=$(tr '\0' ' ' 2>/dev/null < "/proc/$pid/cmdline") || return 1
    [[ ! $words ]] || break
    ! grep -q '^State:.[ZX]' "/proc/$pid/status" || return 1
    read -rt 0.01 <> <(:) || true
  done 2>/dev/null
  # The file may be older than its process.
  [[ $words == *"$2"* ]] && echo "$pid"
}
