#!/usr/bin/env python3
"""Breaks the product on purpose, one patch of mutations/ after another, and shows that the sweep finds it.

    mutations.py WORK_DIR [NAME...]

In WORK_DIR a copy of the tree is built once and then, changed, again for each. A patch begins with what it breaks, the
invariants that must notice (`caught by:`), and a word that chooses the stops to try (`tries:`)."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATCHES = sorted((ROOT / "tests" / "crash" / "mutations").glob("*.patch"))


def run(*words, **more):
    return subprocess.run([str(word) for word in words], check=True, **more)


def copy_tree(work):
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, text=True, capture_output=True, check=True).stdout.split("\n")
    for name in filter(None, files):
        at = work / name
        at.parent.mkdir(parents=True, exist_ok=True)
        if not at.exists() or at.read_bytes() != (ROOT / name).read_bytes():
            shutil.copy2(ROOT / name, at)


def build(work, log):
    run("cmake", "--preset", "clang", cwd=work, stdout=log, stderr=log)
    run("cmake", "--build", "build/clang", "-j", os.environ.get("MINTMARK_JOBS", "2"), "--target", "mintmarkd", "mintmark",
        "mintmark-unit", "mintmark_stop", cwd=work, stdout=log, stderr=log)


def swept(work, word):
    """What the sweep says of the build there: the invariants that it found broken."""
    said = subprocess.run([sys.executable, "-B", ROOT / "tests/crash/sweep.py", "--only", word, "--until-broken"], text=True, capture_output=True,
                          env={**os.environ, "MINTMARK_BIN": f"{work}/build/clang", "PYTHONPATH": f"{ROOT}/tests/line",
                               "MINTMARK_TIME_SCALE": "1"})
    broken = re.findall(r"^violation .*", said.stdout + said.stderr, re.M)
    return set(re.findall(r"\b([a-z]+(?:_[a-z]+)+): ", "\n".join(broken))), said.stdout[-400:] + said.stderr[-400:]


def main():
    work = pathlib.Path(sys.argv[1])
    chosen = [patch for patch in PATCHES if not sys.argv[2:] or patch.stem in sys.argv[2:]]
    work.mkdir(parents=True, exist_ok=True)
    missed = []
    with open(work / "build.log", "a", encoding="utf-8") as log:
        copy_tree(work)
        for patch in chosen:
            text = patch.read_text()
            wanted = set(re.search(r"^caught by: (.*)$", text, re.M)[1].split(", "))
            word = re.search(r"^tries: (.*)$", text, re.M)[1]
            run("patch", "-p1", "--quiet", "-i", patch, cwd=work)
            try:
                build(work, log)
                found, end = swept(work, word)
            finally:
                run("patch", "-p1", "--quiet", "-R", "-i", patch, cwd=work)
            caught = found & wanted
            print(f"| {patch.stem} | {'caught' if caught else 'MISSED'} | {', '.join(sorted(found)) or end} |", flush=True)
            if not caught:
                missed.append(patch.stem)
    print(f"sweep mutations: tried {len(chosen)}, violations {len(missed)}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
