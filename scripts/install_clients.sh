#!/usr/bin/env bash
# Installs the real clients, trackers and the EVM node that the tests run against:
# Debian packages when one is missing and we may, npm packages into .tools. Fails, and says what to do, otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A package=(
  [aria2c]=aria2
  [transmission-daemon]=transmission-daemon
  [opentracker]=opentracker
  [wrk]=wrk
  [gcc]=gcc
  [node]=nodejs
  [npm]=npm
)
missing=()
for command in "${!package[@]}"; do
  command -v "$command" >/dev/null || missing+=("${package[$command]}")
done
if ((${#missing[@]})); then
  become=()
  if [ "$(id -u)" != 0 ]; then
    become=(sudo -n)
  fi
  echo "installing Debian packages: ${missing[*]}"
  if ! { command -v apt-get >/dev/null &&
    "${become[@]}" apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive "${become[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }; then
    echo "cannot install them here: please install ${missing[*]} and run again" >&2
    exit 1
  fi
fi

if ! cmp -s tests/interop/package.json .tools/package.json || [ ! -d .tools/node_modules ]; then
  mkdir -p .tools
  echo "installing npm packages into .tools"
  cp tests/interop/package.json .tools/package.json.new
  (
    cd .tools
    mv package.json.new package.json
    # --ignore-scripts: nothing may be downloaded beside the packages themselves
    npm install --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error || { rm package.json; exit 1; }
  )
fi
