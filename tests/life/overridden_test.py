#!/usr/bin/env python3
"""Ends of threads, libraries and processes with strata-override.dll in them (lifecycle.cpp, exits.cpp).

    PYTHONPATH=tests/e2e overridden_test.py --bin <folder of strata-run.exe> [--runner <command>] [--full] [-v]
                      [TestClass[.test] ...]

--full: the counts of tools/stress.sh.
"""

from harness import Case, count, main_with_counts, overridden


class Life(Case):
    """Threads, libraries and processes that come to their end, in every way."""

    def lives(self, expected, name, *arguments, options=("--require",)):
        result = overridden([*options], name, *arguments)
        self.assertEqual((0, expected + "\n"), (result.code, result.out), result.err)
        self.assertNotIn("strata: fatal", result.err)
        print(f"  {name} {' '.join(arguments)}: {result.seconds:.1f} s; {result.err.strip()}")

    def test_thread_births_and_deaths(self):
        self.lives("commit is flat\ndone", "lifecycle", "births", str(count(400, 10000)))

    def test_terminated_threads(self):
        self.lives("the heap goes on\ndone", "lifecycle", "terminations", str(count(20, 200)))

    def test_callbacks_after_detach(self):
        n = count(50, 1000)
        self.lives(f"{n} freed by TLS callbacks, {n} by FLS callbacks\ndone", "lifecycle", "late-frees", str(n))

    def test_the_override_stays(self):
        self.lives("freed, and the heap goes on\ndone", "lifecycle", "free-override", str(count(50, 1000)))

    def test_libraries_that_come_and_go(self):
        n = count(50, 1000)
        self.lives(f"loaded and freed {n} times\ndone", "late_library", str(n))

    def test_process_exits(self):
        # In eight manners, each with other threads inside the heap's functions.
        n = count(16, 1000)
        self.lives(f"{n} processes: 0 too late, 0 with a wrong exit code", "exits", str(n), "2000",
                   options=("--require", "--children"))

    def test_a_fatal_error_under_the_loader_lock(self):
        result = overridden(["--require"], "lifecycle", "loader-lock", "1")
        self.assertEqual("before\n", result.out)
        self.assertNotEqual(0, result.code)
        self.assertRegex(result.err, r"^strata: fatal: (double free of block|free of invalid pointer) 0x[0-9a-f]+")
        self.assertEqual(1, result.err.count("strata: fatal"))


if __name__ == "__main__":
    main_with_counts()
