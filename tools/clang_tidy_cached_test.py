"""Tests of tools/clang-tidy-cached with the real clang-tidy on a project of two files."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

TOOLS = Path(__file__).resolve().parent
CLEAN = '#include "base/number.h"\nint twice(int number) { return number + number; }\n'
DIRTY = "int* nothing() { return 0; }\n"
CONFIGURATION = "Checks: '-*,modernize-use-nullptr'\nWarningsAsErrors: '*'\nHeaderFilterRegex: '.*'\n"


class ClangTidyCached(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve() / "project"
        for name in ("clang-tidy-cached", "sources", "packages"):
            (self.root / "tools").mkdir(parents=True, exist_ok=True)
            shutil.copy(TOOLS / name, self.root / "tools" / name)
        self.write(".clang-tidy", CONFIGURATION)
        self.write("src/base/number.h", "int twice(int number);\n")
        self.source("src/base/number.cc", CLEAN)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def source(self, name, text):
        """A file that a target compiles."""
        self.write(name, text)
        database = self.root / "build/compile_commands.json"
        entries = json.loads(database.read_text()) if database.exists() else []
        file = str(self.root / name)
        entries.append({"directory": str(self.root / "build"), "file": file,
                        "command": f"c++ -I{self.root}/src -c {file}"})
        self.write("build/compile_commands.json", json.dumps(entries))

    def check(self, *files):
        environment = {**os.environ, "REKINDLE_CACHE": str(self.root.parent / "cache")}
        result = subprocess.run([self.root / "tools/clang-tidy-cached", "--build-folder", self.root / "build", *files],
                                env=environment, capture_output=True, text=True, check=False)
        return result.returncode, result.stdout.splitlines()[-1], result.stdout

    def test_remembers_what_was_clean(self):
        self.assertEqual(self.check()[:2], (0, "clang-tidy: 1 files, 0 known to be clean, 1 checked, 0 with findings"))
        self.assertEqual(self.check()[:2], (0, "clang-tidy: 1 files, 1 known to be clean, 0 checked, 0 with findings"))

    def test_looks_again_when_a_header_changes(self):
        self.check()
        self.write("src/base/number.h", "int twice(int number);\ninline char* none() { return 0; }\n")
        status, last, output = self.check()
        self.assertEqual((status, last), (1, "clang-tidy: 1 files, 0 known to be clean, 1 checked, 1 with findings"))
        self.assertIn("number.h:2:30: error: use nullptr", output)

    def test_looks_again_when_the_configuration_changes(self):
        self.check()
        self.write(".clang-tidy", CONFIGURATION + "# changed\n")
        self.assertIn("0 known to be clean", self.check()[1])

    def test_finds_again_what_was_found(self):
        self.source("src/base/dirty.cc", DIRTY)
        for _ in range(2):
            status, last, output = self.check()
            self.assertEqual(status, 1)
            self.assertIn("1 with findings", last)
            self.assertIn("dirty.cc:1:25: error: use nullptr", output)

    def test_shares_results_between_clones(self):
        self.check()
        clone = self.root.parent / "clone"
        shutil.copytree(self.root, clone)
        database = clone / "build/compile_commands.json"
        database.write_text(database.read_text().replace(str(self.root), str(clone)))
        self.root = clone
        self.assertIn("1 known to be clean", self.check()[1])

    def test_refuses_a_file_that_no_target_compiles(self):
        self.write("src/base/lost.cc", "")
        status, _, output = self.check()
        self.assertEqual(status, 1)
        self.assertIn("src/base/lost.cc: no target compiles it", output)

    def test_checks_only_the_files_that_are_named(self):
        self.source("src/base/dirty.cc", DIRTY)
        self.assertEqual(self.check(self.root / "src/base/number.cc")[0], 0)


if __name__ == "__main__":
    unittest.main()
