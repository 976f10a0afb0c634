"""tools/tidy finds each thing that it bans, where it bans it, and nothing in a clean tree.

Usage: tidy_test.py PATH-OF-TIDY
"""
import importlib.machinery
import importlib.util
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TIDY = sys.argv.pop(1)
loader = importlib.machinery.SourceFileLoader("tidy", TIDY)
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", loader))
sys.modules["tidy"] = module
loader.exec_module(module)

CLEAN = {
    "engine/CMakeLists.txt": "zenwire_floor(engine HEADERS\n  include/zenwire/engine/clock.hpp\n SOURCES src/clock.cpp)\n",
    "engine/include/zenwire/engine/clock.hpp": "#pragma once\n\n// A clock.\n\nint ticks();\n",
    "engine/src/clock.cpp": "#include <zenwire/engine/clock.hpp>\n\nint ticks() {\n  return 1;\n}\n",
    "README.md": "# A project\n",
}

# Check, file, the file's text.
PLANTED = [
    ("random-outside-the-seam", "engine/src/clock.cpp", "int roll() { return rand(); }"),
    ("random-outside-the-seam", "tests/engine/clock_test.cpp", "auto seed = std::random_device{}();"),
    ("random-outside-the-seam", "engine/src/clock.cpp", "void fill() { getrandom(to, 8, 0); }"),
    ("sleep", "tests/engine/clock_test.cpp", "std::this_thread::sleep_for(std::chrono::seconds(1));"),
    ("sleep", "tests/tools/some_test.py", "import time\ntime.sleep(1)"),
    ("sleep", "engine/src/clock.cpp", "void wait() { ::usleep(100); }"),
    ("clock-outside-the-seam", "engine/src/clock.cpp", "auto now = std::chrono::steady_clock::now();"),
    ("clock-outside-the-seam", "codec/src/clock.cpp", "auto now = time(nullptr);"),
    ("clock-outside-the-seam", "pool/src/clock.cpp", "auto now = __rdtsc();"),
    ("liburing-outside-its-file", "engine/src/clock.cpp", "#include <liburing.h>"),
    ("ipsec-mb-outside-its-file", "engine/src/tls_wolfssl.cpp", "#include <intel-ipsec-mb.h>"),
    ("wolfssl-outside-its-files", "engine/src/clock.cpp", "#include <wolfssl/ssl.h>"),
    ("wolfssl-outside-its-files", "engine/src/clock.cpp", '#include "wolfssl.hpp"'),
    ("owning-callable", "engine/src/clock.cpp", "std::function<void()> call;"),
    ("shared-ownership", "codec/src/clock.cpp", "std::shared_ptr<int> owned;"),
    ("exception", "engine/src/clock.cpp", "void fail() { throw 1; }"),
    ("exception", "engine/src/clock.cpp", "void fail() { try { go(); } catch (...) {} }"),
    ("virtual", "engine/src/clock.cpp", "struct Base { virtual void go(); };"),
    ("unfinished", "README.md", "TO" + "DO: say more"),
    ("unfinished", "engine/src/clock.cpp", "// FIX" + "ME: soon"),
    ("tab", "README.md", "a\ttab"),
    ("machine-path", "README.md", "see /home/somebody/notes"),
    ("registry-host", "tools/setup", "curl https://deb.debian.org/"),
    ("floor-includes-upwards", "codec/src/clock.cpp", "#include <zenwire/engine/clock.hpp>"),
    ("floor-includes-upwards", "engine/src/clock.cpp", "#include <zenwire/pool/pool.hpp>"),
    ("floor-includes-upwards", "engine/src/clock.cpp", "#include <zenwire/testing/random.hpp>"),
    ("floor-includes-upwards", "engine/src/clock.cpp", "#include <zenwire/zenwire.hpp>"),
    ("header-without-pragma-once", "engine/include/zenwire/engine/clock.hpp", "int ticks();"),
    ("header-not-installed", "engine/include/zenwire/engine/forgotten.hpp", "#pragma once"),
    ("dead-file", "engine/src/forgotten.cpp", "int forgotten;"),
    ("dead-file", "engine/src/forgotten.hpp", "#pragma once"),
    ("long-line", "engine/src/clock.cpp", "int " + "x" * 100 + ";"),
    ("long-line", "README.md", "word " * 40),
    ("dead-link", "README.md", "See [this](docs/forgotten.md#there)."),
]

# What looks like it, and is allowed: file, text.
ALLOWED = [
    ("engine/src/clock.cpp", "// rand() would not do: see steady_clock::now()"),
    ("engine/src/clock.cpp", 'const char* kText = "virtual throw std::function";'),
    ("engine/src/clock.cpp", "int operand(int brand) { return brand; }"),
    ("engine/src/clock.cpp", "#include <zenwire/base/error.hpp>\n#include <zenwire/codec/frame.hpp>"),
    ("testing/src/kit.cpp", "#include <zenwire/pool/pool.hpp>\nstd::function<void()> call;"),
    ("engine/src/uring_io.cpp", "#include <liburing.h>\nauto now = clock_gettime(clock, &time);"),
    ("engine/src/tls_wolfssl.cpp", '#include <wolfssl/ssl.h>\n#include "wolfssl.hpp"'),
    ("README.md", "| a table | " + "wide " * 60 + " |"),
    ("engine/src/clock.cpp", 'const char* kRaw = R"(' + "r" * 200 + ')";'),
]


def tidy(files):
    with tempfile.TemporaryDirectory() as root:
        # Sources beside those of the clean tree are named, so that a planted one has one fault alone.
        named = "\n".join(sorted(files))
        for name, text in {**CLEAN, "CMakeLists.txt": f"# {named}\n".replace("\n", "\n# "), **files}.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + ("" if text.endswith("\n") else "\n"))
        return module.findings(Path(root))


class Tidy(unittest.TestCase):
    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual(tidy({}), [])

    def test_what_is_planted_is_found_and_named(self):
        for check, name, text in PLANTED:
            files = {name: text}
            if check == "dead-file":  # named by nobody
                files["CMakeLists.txt"] = "# nothing\n"
            with self.subTest(check=check, file=name, text=text):
                found = tidy(files)
                self.assertIn((check, name), [(finding.check, finding.file) for finding in found])
                self.assertEqual({finding.check for finding in found}, {check})

    def test_every_check_is_planted_here(self):
        listed = subprocess.run([TIDY, "--list"], capture_output=True, text=True, check=True).stdout
        self.assertEqual({line.split(":")[0] for line in listed.splitlines()}, {check for check, _, _ in PLANTED})

    def test_what_only_looks_like_it_is_not_found(self):
        for name, text in ALLOWED:
            with self.subTest(file=name, text=text):
                self.assertEqual(tidy({name: text}), [])

    def test_a_finding_names_its_line_and_what_to_use_instead(self):
        (found,) = tidy({"engine/src/clock.cpp": "int a;\nint b = rand();"})
        self.assertEqual(found.line, 2)
        self.assertIn("Io::random()", found.what)

    def test_the_command_prints_findings_and_says_by_its_exit_code_whether_there_were_any(self):
        with tempfile.TemporaryDirectory() as root:
            command = [TIDY, "--root", root, "--json"]
            clean = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual((clean.returncode, json.loads(clean.stdout)), (0, []))
            Path(root, "README.md").write_text("a\ttab\n")
            found = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(found.returncode, 1)
            self.assertEqual(json.loads(found.stdout)[0]["check"], "tab")

    def test_wrong_arguments_are_told_apart_from_findings(self):
        for arguments in (["--root", "/nonexistent"], ["--nonsense"]):
            done = subprocess.run([TIDY, *arguments], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 2)
        self.assertIn("--root", subprocess.run([TIDY, "--help"], capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    unittest.main()
