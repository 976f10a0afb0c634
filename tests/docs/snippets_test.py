"""What README.md and docs/*.md show compiles against the installed tree, runs, and names options that exist.

Usage: snippets_test.py SOURCE-DIRECTORY INSTALLED-PREFIX WORK-DIRECTORY

What follows the language of a ```cpp block says what it is:

  cpp           a program: compiled, linked and run, with the address of a venue in it replaced by that of a local echo
                server; it is to print what comes back
  cpp gtest     tests under GoogleTest, cpp catch2 under Catch2: compiled, linked with the test kit, run, all passing
  cpp body      statements, for which `reactor`, `connection`, `message`, `options`, `server` and `session` are there:
                compiled

In other blocks, every line that begins with `zenwire COMMAND` or `tools/SCRIPT` is held against its --help.
"""
import os
import re
import shlex
import subprocess
import sys
import unittest
from dataclasses import dataclass
from pathlib import Path

SOURCE, PREFIX, WORK = (Path(argument) for argument in sys.argv[1:4])
del sys.argv[1:4]
ZENWIRE = PREFIX / "bin" / "zenwire"
VENUE = re.compile(r'"wss?://[^"]+"')

BODY = """
#include <chrono>
#include <cstdio>
#include <string>
#include <zenwire/zenwire.hpp>
#include <zenwire/testing/json_rpc.hpp>
#include <zenwire/testing/mock_server.hpp>
using namespace zenwire;
using namespace std::chrono_literals;
namespace {{
[[maybe_unused]] void body([[maybe_unused]] Reactor& reactor, [[maybe_unused]] Connection& connection,
    [[maybe_unused]] const Message& message, [[maybe_unused]] ConnectOptions& options,
    [[maybe_unused]] zenwire::testing::MockServer& server, [[maybe_unused]] Session& session) {{
  using namespace zenwire::testing;
#line {line} "{file}"
{text}
}}
}}
"""


@dataclass
class Snippet:
    file: str
    line: int  # of its first line
    kind: str
    text: str

    def __str__(self):
        return f"{self.file}:{self.line}"


def snippets():
    block = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    for path in [SOURCE / "README.md", *sorted((SOURCE / "docs").rglob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        for match in block.finditer(text):
            line = text.count("\n", 0, match.start()) + 2
            yield Snippet(str(path.relative_to(SOURCE)), line, match.group(1).strip(), match.group(2))


def flags(option, package):
    environment = {**os.environ, "PKG_CONFIG_PATH": str(PREFIX / os.environ["LIBDIR"] / "pkgconfig")}
    done = subprocess.run(["pkg-config", option, *package], capture_output=True, text=True, check=True, env=environment)
    return shlex.split(done.stdout)


class Snippets(unittest.TestCase):
    def build(self, snippet, text, libraries=None):
        """Compiles, and links when there are libraries; the program's path."""
        name = WORK / re.sub(r"\W", "_", str(snippet))
        source = name.with_suffix(".cpp")
        source.write_text(text, encoding="utf-8")
        packages = ["zenwire-testing-allocation", "zenwire-testing", "zenwire"]
        command = [os.environ["CXX"], "-std=c++20", "-Wall", *shlex.split(os.environ.get("CXXFLAGS", "")),
                   *flags("--cflags", packages), str(source)]
        command += ["-fsyntax-only"] if libraries is None else ["-o", str(name), *libraries]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, f"{snippet} does not compile:\n{done.stderr}")
        return name

    def run_tests(self, snippet, main, libraries):
        kit = flags("--libs", ["zenwire-testing-allocation", "zenwire-testing", "zenwire"])
        program = self.build(snippet, main + f'#line {snippet.line} "{snippet.file}"\n' + snippet.text, kit + libraries)
        done = subprocess.run([str(program)], capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(done.returncode, 0, f"{snippet} fails:\n{done.stdout}{done.stderr}")

    def run_program(self, snippet):
        with subprocess.Popen([ZENWIRE, "echo-server", "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
            try:
                address = server.stdout.readline().strip()
                text = VENUE.sub(f'"{address}"', snippet.text)
                self.assertIn(address, text, f"{snippet} names no venue")
                program = self.build(snippet, text, flags("--libs", ["zenwire"]))
                command = ["stdbuf", "-oL", str(program)]
                with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
                    try:
                        self.assertTrue(running.stdout.readline().strip(), f"{snippet} printed nothing")
                    finally:
                        running.kill()
            finally:
                server.terminate()

    def test_programs_and_tests_compile_and_run(self):
        kinds = {
            "cpp gtest": lambda snippet: self.run_tests(snippet, "", ["-lgtest_main", "-lgtest"]),
            "cpp catch2": lambda snippet: self.run_tests(snippet, "", ["-lCatch2WithMain"]),
            "cpp body": lambda snippet: self.build(
                snippet, BODY.format(line=snippet.line, file=snippet.file, text=snippet.text)),
            "cpp": self.run_program,
        }
        seen = set()
        for snippet in snippets():
            if not snippet.kind.lower().startswith(("cpp", "c++", "cc", "cxx")):
                continue
            with self.subTest(snippet=str(snippet)):
                self.assertIn(snippet.kind, kinds, f"{snippet}: an unknown kind of snippet")
                kinds[snippet.kind](snippet)
                seen.add(snippet.kind)
        self.assertEqual(set(kinds), seen)

    def test_commands_name_options_that_exist(self):
        helps = {}
        checked = 0
        for snippet in snippets():
            if snippet.kind.startswith(("cpp", "cmake", "toml", "json")):
                continue
            for number, line in enumerate(snippet.text.splitlines(), snippet.line):
                words = line.split("#")[0].split()
                shown = words[0] == "zenwire" or words[0].startswith("tools/") if len(words) > 1 else False
                # What a command prints may begin with its name, too.
                if not shown or words[1].endswith(":") or words[1][0].isdigit():
                    continue
                command = [str(ZENWIRE)] if words[0] == "zenwire" else [str(SOURCE / words[0])]
                if words[0] == "zenwire" and not words[1].startswith("-"):
                    command.append(words[1])
                key = tuple(command)
                if key not in helps:
                    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
                    self.assertEqual(done.returncode, 0, f"{snippet.file}:{number}: {words[0]} {words[1]} --help")
                    helps[key] = set(re.findall(r"--?[a-zA-Z][\w-]*", done.stdout))
                for option in re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", " ".join(words[1:])):
                    with self.subTest(file=snippet.file, line=number, option=option):
                        self.assertIn(option, helps[key])
                        checked += 1
        self.assertGreater(checked, 10)


if __name__ == "__main__":
    unittest.main()
