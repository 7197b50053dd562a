"""Tests of tools/bench: real programs in a folder, and what is made of their output."""

import json
import subprocess
import tempfile
import textwrap
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parent / "bench"


def measurement(metric, value, unit="s"):
    return f"""echo '{json.dumps({"metric": metric, "value": value, "unit": unit})}'\n"""


class Bench(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def benchmark(self, name, script):
        path = self.folder / name
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)

    def bench(self, *arguments):
        return subprocess.run([BENCH, "--folder", self.folder, *arguments], capture_output=True, text=True, check=False)

    def test_passes_json_lines_on_unchanged(self):
        self.benchmark("road", """echo '{"unit":"s",  "metric":"road.rto", "value":4.20, "machine":"m"}'; echo >&2 hi\n""")
        result = self.bench("road", "--json")
        self.assertEqual(result.stdout, '{"unit":"s",  "metric":"road.rto", "value":4.20, "machine":"m"}\n')
        self.assertEqual((result.returncode, result.stderr), (0, "hi\n"))

    def test_shows_the_median_of_what_was_measured_several_times(self):
        self.benchmark("road", "".join(measurement("road.rto", value) for value in (9, 1, 2)) +
                       measurement("road.long_name", 123456, "bytes"))
        self.assertEqual(self.bench().stdout, textwrap.dedent("""\
            metric          median  unit      min     max  n
            road.rto             2  s           1       9  3
            road.long_name  123456  bytes  123456  123456  1
            """))

    def test_runs_all_without_a_name_and_repeats(self):
        self.benchmark("a", measurement("a", 1))
        self.benchmark("b", measurement("b", 2))
        (self.folder / "README.md").write_text("not executable")
        lines = self.bench("--json", "--repeat", "2").stdout.splitlines()
        self.assertEqual([json.loads(line)["metric"] for line in lines], ["a", "a", "b", "b"])

    def test_names_what_there_is_when_asked_for_what_there_is_not(self):
        self.benchmark("road", measurement("a", 1))
        result = self.bench("raod")
        self.assertEqual(result.returncode, 1)
        self.assertIn("there is no benchmark 'raod'; there are: road", result.stderr)

    def test_fails_when_a_benchmark_fails_but_shows_what_the_others_measured(self):
        self.benchmark("a", measurement("a", 1) + "exit 3\n")
        self.benchmark("b", measurement("b", 2))
        result = self.bench("--json")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(result.stdout.splitlines()), 2)
        self.assertIn("a failed with status 3", result.stderr)

    def test_refuses_lines_that_are_no_measurement(self):
        for line in ("hello", "{}", '{"metric": "a", "value": "fast", "unit": "s"}',
                     '{"metric": "a", "value": NaN, "unit": "s"}', '[1]'):
            self.benchmark("a", f"echo '{line}'\n")
            result = self.bench("--json")
            self.assertEqual((result.returncode, result.stdout), (1, ""), line)
            self.assertIn("a printed a", result.stderr)

    def test_refuses_a_benchmark_that_measures_nothing(self):
        self.benchmark("a", "true\n")
        result = self.bench()
        self.assertEqual(result.returncode, 1)
        self.assertIn("a measured nothing", result.stderr)


if __name__ == "__main__":
    unittest.main()
