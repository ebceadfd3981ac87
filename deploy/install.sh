# Sourced: what Mintmark needs from Debian 12, and how to get what is missing. apt is the only source.
run_packages="softhsm2 libp11-kit0 openssl ca-certificates"
# clang-14 makes the release: g++ 12 miscompiles some coroutines when it optimises.
build_packages="clang-14 g++ cmake ninja-build pkg-config libboost1.81-dev libboost-url1.81-dev libssl-dev libsqlite3-dev
  libp11-kit-dev libtomlplusplus-dev nlohmann-json3-dev libcli11-dev libspdlog-dev libcurl4-openssl-dev"
test_packages="git curl python3 libgtest-dev clang-tidy-14 clang-format-14 libclang-rt-14-dev zbar-tools dmtx-utils sqlite3 chromium
  procps libnss3 libfaketime systemd mount e2fsprogs"

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# need_packages NAME...: installs those that are missing, says so, and fails with the end of apt's own words.
need_packages() {
  local missing=() name log
  for name in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing ${#missing[@]} Debian packages: ${missing[*]}"
  log=$(mktemp)
  if { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
      --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    rm -f "$log"
  else
    tail -5 "$log" >&2; rm -f "$log"
    echo "apt could not install them; is this Debian 12, and are its package sources reachable?" >&2
    return 1
  fi
}
