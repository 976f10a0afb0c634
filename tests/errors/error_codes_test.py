"""Every code of enum Errc has a place in the product that gives it and a test that expects it.

A test expects a code by naming it: as Errc::NAME in C++, or as the text NAME in Python, which is what
the commands print. Tests of the table itself, and of what is done about a code whatever brought it
about, do not count. A new code without both fails here.
"""

import os
import pathlib
import re
import unittest

ROOT = pathlib.Path(os.environ.get("ZENWIRE_SOURCE_DIR") or pathlib.Path(__file__).parents[2])
PRODUCT = ["codec", "engine", "pool", "adapters", "testing", "tools"]
# They look at codes as such.
TABLES = {"codec/src/error.cpp", "codec/include/zenwire/base/error.hpp", "codec/src/close.cpp",
          "tests/codec/error_test.cpp", "tests/engine/reconnect_policy_test.cpp",
          "tests/errors/error_codes_test.py"}

# What a user's own code may give: the engine says it in another way (std::optional, PushOutcome).
FOR_USERS = {"handlers_exhausted", "message_queue_full"}


def codes():
    text = (ROOT / "codec/include/zenwire/base/error.hpp").read_text()
    body = text[text.index("enum class Errc"):]
    body = re.sub(r"//.*", "", body[body.index("{") + 1:body.index("}")])
    names = re.findall(r"\w+", body.replace("= 0", ""))
    return [name for name in names if name not in ("ok", "count_")]


def texts(folders, endings):
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            relative = path.relative_to(ROOT).as_posix()
            if path.suffix in endings and relative not in TABLES:
                yield path.suffix, path.read_text(errors="replace")


def without_comments(text):
    return re.sub(r"(^|\s)//.*", r"\1", text, flags=re.MULTILINE)


def named(folders, endings):
    """The codes that files of these folders name."""
    found = set()
    for ending, text in texts(folders, endings):
        if ending == ".py":
            found |= set(re.findall(r"[a-z0-9_]+", text))
        else:
            found |= set(re.findall(r"Errc::([a-z0-9_]+)", without_comments(text)))
    return found


class ErrorCodes(unittest.TestCase):
    def test_there_are_codes(self):
        self.assertGreater(len(codes()), 90)
        self.assertIn("tls_host_name_mismatch", codes())

    def test_each_is_given_by_the_product(self):
        given = named(PRODUCT, {".cpp", ".hpp"})
        self.assertEqual([code for code in codes() if code not in given | FOR_USERS], [])

    def test_each_is_expected_by_a_test(self):
        expected = named(["tests"], {".cpp", ".hpp", ".py"})
        self.assertEqual([code for code in codes() if code not in expected | FOR_USERS], [])


if __name__ == "__main__":
    unittest.main()
