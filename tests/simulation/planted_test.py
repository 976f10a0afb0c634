#!/usr/bin/env python3
"""Plants bugs, one at a time, and expects the tests to find and name them.

Each planted/*.patch says in its head what it plants, which translation units it touches (`compile:`), which program is
to find it (`program:`, `arguments:`) and what that must say (`finds:`, a regular expression). The patch is applied to a
copy of the sources; those units are compiled with the build's own commands against the copy, and the program is linked
again with them in front of everything, so that they replace what it was made of. So nothing in the product knows of this, and only a
few files are compiled.

usage: planted_test.py [--source DIR] [--build DIR] [--jobs N] [NAME...]
exit code: 0 every bug was found and named, 1 one was not, 2 the arguments or the build are not usable
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

FLOORS = ["codec", "engine", "pool", "testing", "tests"]
PROGRAM_TIMEOUT_S = 240


def head_of(patch):
    fields = {}
    for line in patch.read_text().splitlines():
        if line.startswith("--- "):
            break
        name, colon, value = line.partition(": ")
        if colon:
            fields[name.strip()] = value.strip()
    return fields


def ninja(build, *arguments):
    return subprocess.run(["ninja", "-C", str(build), *arguments], check=True, capture_output=True, text=True).stdout


def without_output(words):
    """A compiler's command without what it would write beside the object."""
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("-o", "-MT", "-MF"):
            skip = True
        elif word != "-MD":
            kept.append(word)
    return kept


class Planting:
    def __init__(self, source, build, commands):
        self.source, self.build, self.commands = source, build, commands

    def compile(self, unit, tree, target):
        entry = self.commands[str(self.source / unit)]
        words = without_output(shlex.split(entry["command"]))
        words = [str(tree / unit) if word == str(self.source / unit) else word for word in words]
        mapped = [word.replace(f"-I{self.source}/", f"-I{tree}/") for word in words]
        subprocess.run([*mapped, "-o", str(target)], cwd=self.build, check=True, capture_output=True, text=True)

    def link(self, program, objects, replaced, target):
        command = ninja(self.build, "-t", "commands", program).splitlines()[-1]
        command = command.removeprefix(": && ").removesuffix(" && :")
        words, output = [], None
        for word in shlex.split(command):
            if output == "next":
                output = word
                words += ["-o", str(target)]
            elif word == "-o":
                output = "next"
            elif not any(word.endswith(f"{pathlib.Path(unit).name}.o") for unit in replaced):
                words.append(word)
        # First, because of the inline functions that many objects have the first one is taken.
        words[1:1] = map(str, objects)
        subprocess.run(words, cwd=self.build, check=True, capture_output=True, text=True)

    def run(self, patch, scratch):
        fields = head_of(patch)
        tree = scratch / "tree"
        for floor in FLOORS:
            shutil.copytree(self.source / floor, tree / floor, symlinks=True)
        subprocess.run(["patch", "-p1", "-s", "-d", str(tree), "-i", str(patch)], check=True, capture_output=True, text=True)
        units = fields["compile"].split()
        objects = []
        for number, unit in enumerate(units):
            objects.append(scratch / f"{number}.o")
            self.compile(unit, tree, objects[-1])
        program = scratch / "program"
        self.link(fields["program"], objects, units, program)
        environment = dict(os.environ, ZENWIRE_SOURCE_DIR=str(self.source), ZENWIRE_BINARY_DIR=str(self.build))
        done = subprocess.run([str(program), *shlex.split(fields.get("arguments", ""))], capture_output=True, text=True,
                              errors="replace", timeout=PROGRAM_TIMEOUT_S, env=environment, cwd=scratch)
        said = done.stdout + done.stderr
        found = re.search(fields["finds"], said)
        if done.returncode != 0 and found:
            return True, f"found by {fields['program']}: {found.group(0)}"
        return False, f"not found (exit code {done.returncode}); it said:\n{said[-2000:]}"


def attempt(planting, patch):
    with tempfile.TemporaryDirectory(prefix="zenwire-planted-") as scratch:
        try:
            return planting.run(patch, pathlib.Path(scratch))
        except subprocess.TimeoutExpired:
            return False, "the program did not end"
        except subprocess.CalledProcessError as error:
            return False, f"{' '.join(map(str, error.cmd))[:300]}\n{error.stdout}{error.stderr}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = pathlib.Path(__file__).resolve()
    parser.add_argument("--source", type=pathlib.Path, default=here.parents[2])
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path(os.environ.get("ZENWIRE_BINARY_DIR", ".")))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    patches = sorted(patch for patch in (here.parent / "planted").glob("*.patch")
                     if not arguments.names or patch.stem in arguments.names)
    if not patches or not (arguments.build / "build.ninja").exists():
        print("no patch of that name, or no build of ninja's there", file=sys.stderr)
        return 2
    commands = {entry["file"]: entry for entry in json.loads(ninja(arguments.build, "-t", "compdb"))
                if entry["file"].endswith(".cpp")}
    planting = Planting(arguments.source.resolve(), arguments.build.resolve(), commands)
    missed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for patch, (found, text) in zip(patches, pool.map(lambda at: attempt(planting, at), patches)):
            missed += not found
            print(f"{'ok  ' if found else 'MISS'} {patch.stem}: {text}", flush=True)
    print(f"{len(patches) - missed} of {len(patches)} planted bugs were found and named")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
