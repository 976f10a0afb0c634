"""Every preset for tests can be configured, built and tested, each in a directory of its own."""

import json
import sys


def visible(presets):
    return {preset["name"]: preset for preset in presets if not preset.get("hidden")}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        presets = json.load(file)
    configure, build, test = (visible(presets[kind + "Presets"]) for kind in ("configure", "build", "test"))
    wanted = {"dev", "release", "asan-ubsan", "tsan", "fuzz", "coverage"}
    faults = [f"no {kind} preset {name}" for kind, have in (("configure", configure), ("build", build), ("test", test))
              for name in sorted(wanted - have.keys())]
    faults += [f"{name} is built as {preset['configurePreset']}" for name, preset in (*build.items(), *test.items())
               if preset["configurePreset"] != name]
    faults += [f"{name} has a build directory of its own choice" for name, preset in configure.items()
               if "binaryDir" in preset]
    print("\n".join(faults) or f"{len(configure)} presets are complete")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
