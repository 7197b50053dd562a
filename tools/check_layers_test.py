"""Tests of tools/check-layers: small trees that keep to the layers, or do not."""

import subprocess
import tempfile
import unittest
from pathlib import Path

CHECK = Path(__file__).resolve().parent / "check-layers"
LAYERS = """# comment
base: | fmt
net: base | curl
store: base
protect: base store
sandbox/region: base net
app: base net store protect
"""


def findings(files, layers=LAYERS):
    """Exit status and output of check-layers for a tree of {path: text}."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in {"src/LAYERS": layers, "sandbox/README": "", **files}.items():
            path = Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        result = subprocess.run([CHECK, root], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout + result.stderr


class CheckLayers(unittest.TestCase):
    def accepts(self, files, layers=LAYERS):
        self.assertEqual(findings(files, layers), (0, ""))

    def refuses(self, files, reason, layers=LAYERS):
        status, text = findings(files, layers)
        self.assertEqual(status, 1, text)
        self.assertIn(reason, text)
        self.assertEqual(text.count("\n"), 1, text)

    def test_accepts_what_the_line_lists(self):
        self.accepts({"src/store/store.cc": '#include "store/store.h"\n#include "base/file.h"\n#include <vector>\n'
                                            "#include <fmt/format.h>\n"})

    def test_refuses_a_module_that_is_not_listed(self):
        self.refuses({"src/store/store.cc": '\n#include "net/http.h"\n'},
                     'src/store/store.cc:2: "net/http.h": store does not list net')

    def test_does_not_inherit_what_a_listed_module_lists(self):
        self.refuses({"src/protect/backup.cc": '#include "net/http.h"\n'}, "protect does not list net")

    def test_refuses_an_include_beside_the_file(self):
        self.refuses({"src/store/store.cc": '#include "store.h"\n'}, "include by path from the root")

    def test_refuses_a_library_that_is_not_after_the_bar(self):
        self.refuses({"src/store/s3.cc": "#include <curl/curl.h>\n"}, "store does not list curl after the bar")

    def test_accepts_test_libraries_in_tests_only(self):
        self.accepts({"src/store/store_test.cc": "#include <gtest/gtest.h>\n"})
        self.refuses({"src/store/store.cc": "#include <gtest/gtest.h>\n"}, "is for tests")

    def test_keeps_depths_for_their_module_and_app(self):
        self.accepts({"src/app/main.cc": '#include "store/local/store.h"\n',
                      "src/store/open.cc": '#include "store/local/store.h"\n'})
        self.refuses({"src/protect/backup.cc": '#include "store/local/store.h"\n'}, "depth is privacy")

    def test_knows_modules_with_a_slash(self):
        self.accepts({"sandbox/region/region.cc": '#include "sandbox/region/state.h"\n#include "net/http.h"\n'})
        self.refuses({"sandbox/region/region.cc": '#include "protect/backup.h"\n'},
                     "sandbox/region does not list protect")

    def test_refuses_a_folder_that_is_no_module(self):
        self.refuses({"src/utils/x.h": ""}, "src/utils/x.h: its folder is no module")

    def test_refuses_layers_that_look_up(self):
        self.refuses({}, "a may list only modules of lines above, not b", layers="a: b\nb:\n")

    def test_refuses_lines_it_cannot_read_and_doubles(self):
        self.refuses({}, "src/LAYERS:1: not of the form", layers="base - fmt\n")
        self.refuses({}, "src/LAYERS:2: base is listed twice", layers="base:\nbase:\n")

    def test_refuses_a_vendor_in_the_middle(self):
        for code in ("if (site.is_aws()) return;", "AwsSite site;", "auto ebs_snapshot = 1;", "VsphereSite site;"):
            self.refuses({"src/protect/backup.cc": code + "\n"}, "names a vendor")

    def test_accepts_a_vendor_in_words_for_people_and_at_the_edge(self):
        self.accepts({"src/protect/backup.cc": '// AwsSite does this\n/* ebs */ auto s = "an EBS snapshot \\" ec2";\n'
                                               'auto r = R"(aws "x")";\nint laws = 0, debs = 1;\n',
                      "src/app/main.cc": "AwsSite site;\n"})


if __name__ == "__main__":
    unittest.main()
