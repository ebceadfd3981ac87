# Sourced by tests/run: builds, steps, and the npm tools of the tests.
jobs=${MINTMARK_JOBS:-$(nproc)}
cache=$root/.cache
mkdir -p "$cache"

# step NAME COMMAND...: runs it, tells once a minute where it is, shows its figures (sweep, bench, note), its tables and
# its time, and the end of what it said if it failed.
step() {
  local name=$1 log status=0 began=$SECONDS pid told=0
  shift
  log=$(mktemp)
  "$@" >"$log" 2>&1 &
  pid=$!
  while kill -0 $pid 2>/dev/null; do
    sleep 0.5
    if [ $(((SECONDS - began) / 60)) -gt $told ]; then
      told=$(((SECONDS - began) / 60))
      printf '   %-28s ...  %4d s  %s\n' "$name" $((SECONDS - began)) "$(tail -n 1 "$log" | cut -c1-70)"
    fi
  done
  wait $pid || status=$?
  grep -E '^(sweep|bench|note|\|) ' "$log"
  if [ $status = 0 ]; then
    printf '   %-28s ok   %4d s\n' "$name" $((SECONDS - began))
  else
    tail -n "${MINTMARK_TAIL:-120}" "$log"
    printf '   %-28s FAILED (status %d)   %4d s\n' "$name" $status $((SECONDS - began))
  fi
  rm -f "$log"
  return $status
}

# build PRESET [TARGET]: configures and builds all of it, or one target; two runs at once wait for each other.
build() {
  exec 9>"$cache/$1.lock"
  flock 9
  step "build $1" bash -c 'cd "$1" && cmake --preset "$2" && cmake --build "build/$2" -j "$3" --target "$4"' \
    _ "$root" "$1" "$jobs" "${2:-all}"
  local status=$?
  exec 9>&-
  return $status
}

run_ctest() {
  step "unit tests, $1" bash -c 'ctest --test-dir "$1" -j "$2" --timeout 900 --output-on-failure &&
    ctest --test-dir "$1" -N | sed -n "s/^Total Tests: /note programs of tests: /p"' _ "$root/build/$1" "$jobs"
}

# Node 22 and the pinned tools of tests/node, kept in the cache. Debian's own Node is too old for them, and only good
# enough to fetch a newer one.
node_tools() {
  [ -e "$cache/node/.stamp" ] && cmp -s "$root/tests/node/package-lock.json" "$cache/node/.stamp" && return 0
  command -v npm >/dev/null || need_packages nodejs npm || return 1
  exec 9>"$cache/node.lock"
  flock 9
  step "npm tools" bash -c '
    set -e
    mkdir -p "$2/node22" "$2/node"
    npm install --silent --no-fund --no-audit --prefix "$2/node22" node@22
    cp "$1"/tests/node/package*.json "$2/node/"
    cd "$2/node"
    PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 REDOCLY_TELEMETRY=off npm ci --silent --no-fund --no-audit
    cp "$1/tests/node/package-lock.json" .stamp' _ "$root" "$cache"
  local status=$?
  exec 9>&-
  return $status
}
