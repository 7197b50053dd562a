"""No fuzzer finds anything in the seconds that it is given here; ./run fuzz 600 gives them more."""

import os
import platform
import shutil
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECONDS = "5"


def has_clang():
    clang = shutil.which("clang++-19")
    if clang is None:
        return False
    library = f"libclang_rt.fuzzer-{platform.machine()}.a"
    asked = subprocess.run([clang, f"-print-file-name={library}"], capture_output=True, text=True, check=True)
    return asked.stdout.strip() != library  # a name that it does not know is given back


class Fuzzers(unittest.TestCase):
    def test_they_find_nothing(self):
        if not has_clang():
            self.skipTest("clang-19 or its runtime library is missing: ./run fuzz installs them")
        done = subprocess.run([os.path.join(ROOT, "run"), "fuzz", SECONDS], capture_output=True, text=True, check=False)
        print(done.stdout, flush=True)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])


if __name__ == "__main__":
    unittest.main()
