"""Tests of `compare.py`: what it makes of measurements. `python -m unittest discover benches/peers`"""

import unittest

from compare import Comparison, Left, cell, run, short, title


def result(peer, variant, seconds, threads=2):
    return {"peer": peer, "variant": variant, "threads": threads, "seconds": seconds}


class Tables(unittest.TestCase):
    def setUp(self):
        self.comparison = Comparison()
        self.comparison.mine["features"] = [0.020, 0.030, 0.010]
        for seconds in (0.05, 0.06, 0.04):
            self.comparison.add("features", 2, result("PyTorch 2.15.0", "autograd", seconds))
            self.comparison.add("features", 2, result("PyTorch 2.15.0", "by hand", seconds / 2))
            self.comparison.add("features", 2, result("gemm 0.19", "general", 2 * seconds))

    def test_ratios_are_those_of_the_medians_best_first(self):
        self.assertEqual(self.comparison.ratios("features", "PyTorch 2.15"), [(1.25, "by hand"), (2.5, "autograd")])

    def test_the_table_has_a_column_a_peer_and_a_line_a_pass(self):
        self.comparison.mine["weighted-gram"] = [0.5]
        header, _, features, gram = self.comparison.table()
        self.assertEqual(header, "| pass | memorize | PyTorch 2.15 | gemm 0.19 |")
        expected = "| features, 60000 x 100 x 750 | 20 ms | 1.2 (by hand), 2.5 (autograd) | 5.0 |"
        self.assertEqual(features, expected)
        self.assertEqual(gram, "| weighted Gram, 60000 x 784 x 3000 | 500 ms |  |  |")

    def test_the_details_have_a_line_a_variant(self):
        lines = self.comparison.details()
        self.assertEqual(len(lines), 2 + 4)
        self.assertIn("| features | gemm 0.19 | general | 100 ms | 80 ms to 120 ms | 5.00 |", lines)

    def test_what_is_missing_is_named_with_the_reason(self):
        self.comparison.mine["adam-step"] = [1.0]
        missing = {"peer": "PyTorch 2.15.0", "variant": "by hand, oneDNN", "missing": "built without it"}
        self.comparison.add("features", 2, missing)
        self.comparison.left |= {("jax_peer.py", name): "No module named 'jax'" for name in self.comparison.mine}
        expected = [
            "left out: PyTorch 2.15, by hand, oneDNN in features (built without it)",
            "left out: jax_peer.py (No module named 'jax')",
        ]
        self.assertEqual(list(self.comparison.left_out()), expected)

    def test_what_a_reader_should_know_is_told(self):
        self.assertEqual(self.comparison.notes, set())
        self.comparison.add("features", 2, result("JAX 0.10.2", "compiled", 1.0, threads=8))
        self.comparison.add("features", 2, result("NumPy 2.4.6", "by hand", 1.0, threads=None) | {"note": "as built"})
        expected = {
            "JAX 0.10 used 8 threads for features instead of 2",
            "NumPy 2.4 cannot tell how many threads it used",
            "as built",
        }
        self.assertEqual(self.comparison.notes, expected)


class Words(unittest.TestCase):
    def test_names_are_short(self):
        self.assertEqual(short("PyTorch 2.15.0"), "PyTorch 2.15")
        self.assertEqual(short("gemm 0.19"), "gemm 0.19")
        self.assertEqual(title("adam-step"), "Adam step, 128 x 784 x 3000")

    def test_a_variant_that_is_alone_needs_no_name(self):
        self.assertEqual(cell([(1.26, "compiled")]), "1.3")
        self.assertEqual(cell([]), "")

    def test_a_command_that_fails_says_why(self):
        for command, reason in [
            (["sh", "-c", "echo 'error: the first line' >&2; echo 'a second' >&2; exit 3"], "error: the first line"),
            (["sh", "-c", "echo Traceback >&2; echo ModuleNotFoundError >&2; exit 1"], "ModuleNotFoundError"),
            (["sh", "-c", "exit 3"], "sh ended with code 3"),
            (["/nowhere/program"], "cannot run /nowhere/program: No such file or directory"),
        ]:
            with self.assertRaises(Left) as caught:
                run(command)
            self.assertEqual(str(caught.exception), reason)


if __name__ == "__main__":
    unittest.main()
