#!/usr/bin/env bash
# A Docker engine with the images of this checkout, for the tests of the docker runtime. Root on Debian.
#
#   test/support/docker-lab.sh up      installs what is missing, starts an engine unless one answers, builds the images
#   test/support/docker-lab.sh down    stops the engine, if it was started here
#
#   DOCKER_HOST   where the engine is, or will be (default unix:///var/run/docker.sock)
#   LAB_DIR       pid file, log and data of an engine that is started here (default /var/tmp/agentruntime-lab)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export DOCKER_HOST=${DOCKER_HOST:-unix:///var/run/docker.sock}
lab=${LAB_DIR:-/var/tmp/agentruntime-lab}
socket=${DOCKER_HOST#unix://}

answers() { [ -S "$socket" ] && docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
own() { local pid; pid=$(cat "$lab/dockerd.pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] && echo "$pid"; }

install_missing() {
  local missing=()
  command -v docker >/dev/null && command -v dockerd >/dev/null || missing+=(docker.io)
  command -v iptables >/dev/null || missing+=(iptables)
  command -v debootstrap >/dev/null || missing+=(debootstrap)
  # That the example of a daemon in a container is what it says.
  command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1 || missing+=(docker-compose)
  [ "${#missing[@]}" -eq 0 ] && return
  apt-get update -qq
  # policy-rc.d: no service is started by the installation; there may be no service manager, and it is started below.
  DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

start_engine() {
  mkdir -p "$lab"
  # A containerd that died leaves its socket, and dockerd would wait for it in vain.
  local stale=/run/containerd/containerd.sock
  if [ -S "$stale" ] && ! timeout 3 ctr --address "$stale" version >/dev/null 2>&1; then rm -f "$stale"; fi
  # Nothing inherited: whoever waits for the end of our output, or for a lock of ours, would wait for the engine's end.
  (
    for fd in /proc/"$BASHPID"/fd/*; do
      fd=${fd##*/}
      [ "$fd" -le 2 ] || [ "$fd" -eq 255 ] || eval "exec $fd>&-"
    done
    exec setsid dockerd --data-root "$lab/data" --exec-root "$lab/exec" --pidfile "$lab/dockerd.pid" -H "unix://$socket"
  ) </dev/null >>"$lab/dockerd.log" 2>&1 &
  local pid=$!
  for _ in $(seq 300); do
    if answers; then echo "started an engine, pid $pid"; return; fi
    [ -d "/proc/$pid" ] || break
    sleep 0.2
  done
  echo "the engine does not answer; the end of $lab/dockerd.log:" >&2
  grep -v level=info "$lab/dockerd.log" | tail -15 >&2
  exit 1
}

has() { docker image inspect "$1" >/dev/null 2>&1; }

case ${1:-} in
up)
  if ! answers; then
    [ "$(id -u)" -eq 0 ] || { echo "no engine answers at $DOCKER_HOST, and only root can start one" >&2; exit 1; }
    install_missing
    start_engine
  fi
  # A base image of a registry serves as well: name it.
  AGENT_BASE=${AGENT_BASE:-agentruntime-base:node} PROXY_BASE=${PROXY_BASE:-agentruntime-base:debian}
  export AGENT_BASE PROXY_BASE
  has "$PROXY_BASE" || docker/base-image.sh debian "$PROXY_BASE"
  has "$AGENT_BASE" || docker/base-image.sh node "$AGENT_BASE"
  # One after the other: the second begins with what the first fetched.
  docker/build.sh all >"$lab.build.log" 2>&1 || { tail -30 "$lab.build.log" >&2; exit 1; }
  docker image inspect -f '{{index .RepoTags 0}}: {{.Size}} bytes' agentruntime-agent:latest agentruntime-proxy:latest
  ;;
down)
  pid=$(own) || { echo "no engine was started here"; exit 0; }
  kill "$pid"
  for _ in $(seq 300); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
  [ ! -d "/proc/$pid" ] || { echo "the engine $pid does not stop" >&2; exit 1; }
  echo "stopped the engine $pid"
  ;;
*)
  echo "usage: $0 up|down" >&2
  exit 2
  ;;
esac
