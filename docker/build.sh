#!/usr/bin/env bash
# Builds the images of the docker runtime: docker/build.sh [agent|proxy|all], and that of the daemon itself: docker/build.sh daemon
#
#   AGENT_BASE, PROXY_BASE, DAEMON_BASE   base images (defaults stand in the Dockerfiles; docker/base-image.sh makes some without a registry)
#   AGENT_IMAGE, PROXY_IMAGE, DAEMON_IMAGE names (agentruntime-agent:latest, agentruntime-proxy:latest, agentruntime-daemon:latest)
#
# The same as `agentd images build`, by the docker command. Needs dist/sidecar.js: npm run build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -s dist/sidecar.js ] || { echo "dist/sidecar.js is missing: run npm run build first" >&2; exit 1; }

build() {
  local kind=$1 tag=$2 base=$3
  # The builder in the engine: the other one needs a plugin that not every docker command has.
  DOCKER_BUILDKIT=0 docker build ${base:+--build-arg BASE_IMAGE="$base"} -t "$tag" -f "docker/Dockerfile.$kind" .
}

case ${1:-all} in
agent | proxy | daemon | all) ;;
*) echo "usage: docker/build.sh [agent|proxy|daemon|all]" >&2; exit 2 ;;
esac
case ${1:-all} in agent | all) build agent "${AGENT_IMAGE:-agentruntime-agent:latest}" "${AGENT_BASE:-}" ;; esac
case ${1:-all} in proxy | all) build proxy "${PROXY_IMAGE:-agentruntime-proxy:latest}" "${PROXY_BASE:-}" ;; esac
if [ "${1:-all}" = daemon ]; then build daemon "${DAEMON_IMAGE:-agentruntime-daemon:latest}" "${DAEMON_BASE:-}"; fi
