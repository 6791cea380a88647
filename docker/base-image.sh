#!/usr/bin/env bash
# Makes base images where no image registry can be reached, from Debian's and npm's packages alone.
#
#   docker/base-image.sh debian TAG   Debian 12, for PROXY_BASE
#   docker/base-image.sh node TAG     the same with Node, for AGENT_BASE
#
#   CACHE_DIR   keeps what was fetched (default: ~/.cache/agentruntime-images); half a minute without it, seconds with it
#
# Root, Debian, an engine; debootstrap, and npm for the second.
set -euo pipefail
kind=${1:-} tag=${2:-}
case $kind in debian | node) ;; *) echo "usage: docker/base-image.sh debian|node TAG" >&2; exit 2 ;; esac
[ -n "$tag" ] || { echo "which TAG?" >&2; exit 2; }
command -v debootstrap >/dev/null || { echo "debootstrap is missing: apt-get install debootstrap" >&2; exit 1; }
cache=${CACHE_DIR:-${HOME:-/root}/.cache/agentruntime-images}
node_release=24
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
work=$(mktemp -d "$cache/work.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT

tree=$cache/debian-12.tar
if [ ! -s "$tree" ]; then
  debootstrap --variant=minbase bookworm "$work/debian" >"$cache/debootstrap.log" 2>&1 || { tail -20 "$cache/debootstrap.log" >&2; exit 1; }
  cd "$work/debian"
  rm -rf var/cache/apt/archives/*.deb var/cache/apt/*.bin var/lib/apt/lists/* var/log/*.log usr/share/{man,info,locale,i18n}/* etc/resolv.conf etc/hostname
  find usr/share/doc -type f ! -name copyright -delete
  # As in images that are made to be small: later packages bring no manuals, and none starts a service.
  printf 'path-exclude /usr/share/%s/*\n' man locale doc >etc/dpkg/dpkg.cfg.d/small
  printf 'path-include /usr/share/doc/*/copyright\nforce-unsafe-io\n' >>etc/dpkg/dpkg.cfg.d/small
  printf '#!/bin/sh\nexit 101\n' >usr/sbin/policy-rc.d && chmod 755 usr/sbin/policy-rc.d
  tar --numeric-owner -cf "$tree.part" . && mv "$tree.part" "$tree"
  cd - >/dev/null
fi

image=$work/image
mkdir "$image"
tar -C "$image" --numeric-owner -xpf "$tree"
settings=(--change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin')
# Whom this machine trusts: packages may come through a gateway that it alone knows. Apart from the image's own bundle,
# which is written anew when ca-certificates is installed.
if [ -s /etc/ssl/certs/ca-certificates.crt ]; then
  mkdir -p "$image/etc/ssl" "$image/usr/local/share/ca-certificates"
  cp /etc/ssl/certs/ca-certificates.crt "$image/etc/ssl/host-authorities.crt"
  cp /usr/local/share/ca-certificates/*.crt "$image/usr/local/share/ca-certificates/" 2>/dev/null || true
  settings+=(--change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/host-authorities.crt')
fi
if [ "$kind" = node ]; then
  case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) echo "no Node for $(uname -m)" >&2; exit 1 ;; esac
  fetch() {
    find "$cache" -maxdepth 1 -name "$1" | sort -V | tail -1 | grep . || { (cd "$cache" && npm pack --silent "$2" >/dev/null) && find "$cache" -maxdepth 1 -name "$1" | sort -V | tail -1; }
  }
  node=$(fetch "node-linux-$arch-$node_release.*.tgz" "node-linux-$arch@$node_release")
  npm=$(fetch 'npm-11.*.tgz' npm@11)
  mkdir -p "$image/usr/local/bin" "$image/usr/local/lib/node_modules/npm"
  tar -xzf "$node" -C "$image/usr/local" --strip-components=1 --no-same-owner package/bin/node
  tar -xzf "$npm" -C "$image/usr/local/lib/node_modules/npm" --strip-components=1 --no-same-owner
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$image/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$image/usr/local/bin/npx"
fi
tar -C "$image" --numeric-owner -c . | docker import "${settings[@]}" - "$tag" >/dev/null
echo "$tag: $(docker image inspect -f '{{.Size}}' "$tag") bytes"
