"""Ours and theirs in turn, in one run: the ratio table of the README.

    python benches/peers/compare.py [--rounds N] [--threads N] [PASS ...]

Builds the program and the Rust peers. Every round measures each pass with `memorize bench` and right after it with
each peer, so that a machine whose speed drifts slows both down; all of them use the same number of threads (one for
small-gradient). Every peer compares its result with a reference before it is timed. Medians over the rounds are
printed, and how many times as long as ours they are: a line for every variant first, then the table of the README. A
peer that cannot be measured is named and left out.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
from collections import defaultdict

from workloads import SHAPES, available

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RUST = HERE / "rust"
# The problem of microseconds is one thread's: sharing it costs every one of them more than it gains.
ONE_THREAD = {"small-gradient"}


class Left(Exception):
    """Something that cannot be measured, with the reason."""


def environment(threads):
    """Everybody's way of being told how many threads to use."""
    names = ["OMP", "MKL", "OPENBLAS", "RAYON"]
    return os.environ | {f"{name}_NUM_THREADS": str(threads) for name in names}


def run(command, **options):
    """What a command prints, or `Left` with the last thing it complains of."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, **options)
    except OSError as error:
        raise Left(f"cannot run {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"{command[0]} ended with code {done.returncode}"]
        # Cargo and Rust programs say what is wrong first, Python last.
        raise Left(next((line for line in said if line.lower().startswith("error")), said[-1]))
    return done.stdout


def build(package, *more):
    """Builds a package; the path of its program."""
    print(f"building {package}", file=sys.stderr)
    command = ["cargo", "build", "--release", "--package", package, "--message-format", "json", *more]
    lines = map(json.loads, run(command, cwd=ROOT).splitlines())
    return [line["executable"] for line in lines if line.get("executable")][-1]


def ours(program, name, threads):
    """What `memorize bench` says of a pass: native backend, f32."""
    command = [program, "bench", "--quick", "--json", "--backend", "native", "--filter", f"{name} "]
    return json.loads(run([*command, "--threads", str(threads)], env=environment(threads)))


def theirs(command, name, threads):
    """What a peer says of a pass."""
    return json.loads(run([*command, name], env=environment(threads)))


def peers():
    """The commands of the peers by name, and those that there are none of, with the reason."""
    scripts = ["torch_peer.py", "jax_peer.py", "numpy_peer.py"]
    commands, left = {script: [sys.executable, str(HERE / script)] for script in scripts}, {}
    try:
        place = ["--manifest-path", str(RUST / "Cargo.toml"), "--target-dir", str(ROOT / "target" / "peers")]
        commands["Rust peers"] = [build("memorize-peers", *place)]
    except Left as reason:
        left["Rust peers"] = str(reason)
    return commands, left


class Comparison:
    """Everything measured so far."""

    def __init__(self):
        self.machine = None
        self.mine = defaultdict(list)
        # Seconds by pass, peer and variant.
        self.peers = defaultdict(list)
        # Reasons by what was left out and pass.
        self.left = {}
        # What a reader should know.
        self.notes = set()

    def add(self, name, threads, result):
        """Takes in a line of a peer."""
        peer, variant = short(result["peer"]), result["variant"]
        if "missing" in result:
            self.left[f"{peer}, {variant}", name] = result["missing"]
            return
        used = result["threads"]
        if used is None:
            self.notes.add(f"{peer} cannot tell how many threads it used")
        elif used != threads:
            self.notes.add(f"{peer} used {used} threads for {name} instead of {threads}")
        if result.get("note"):
            self.notes.add(result["note"])
        self.peers[name, peer, variant].append(result["seconds"])

    def ratios(self, name, peer):
        """(times as long as ours, variant) of a peer in a pass, best first."""
        mine = statistics.median(self.mine[name])
        variants = [(v, seconds) for (n, p, v), seconds in self.peers.items() if (n, p) == (name, peer)]
        return sorted((statistics.median(seconds) / mine, variant) for variant, seconds in variants)

    def details(self):
        """A line a variant: median over the rounds, the extremes, the ratio."""
        header = "| pass | peer | variant | median | fastest to slowest round | times as long |"
        lines = [header, "|---|---|---|---|---|---|"]
        for name, seconds in self.mine.items():
            lines.append(f"| {name} | memorize | | {timing(seconds)} | 1 |")
            for peer in self.names():
                for ratio, variant in self.ratios(name, peer):
                    cells = timing(self.peers[name, peer, variant])
                    lines.append(f"| {name} | {peer} | {variant} | {cells} | {ratio:.2f} |")
        return lines

    def names(self):
        """The peers, in the order in which they were met."""
        return list(dict.fromkeys(peer for _, peer, _ in self.peers))

    def table(self):
        """A line a pass, a column a peer."""
        names = self.names()
        lines = [f"| pass | memorize | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
        for name, seconds in self.mine.items():
            cells = " | ".join(cell(self.ratios(name, peer)) for peer in names)
            lines.append(f"| {title(name)} | {milliseconds(statistics.median(seconds))} | {cells} |")
        return lines

    def left_out(self):
        """A line for everything that was left out, by name and reason, with the passes if it was not all of them."""
        passes = defaultdict(list)
        for (what, name), reason in self.left.items():
            passes[what, reason].append(name)
        for (what, reason), names in passes.items():
            where = "" if set(names) == set(self.mine) else f" in {', '.join(names)}"
            yield f"left out: {what}{where} ({reason})"


def short(peer):
    """`PyTorch 2.15` for `PyTorch 2.15.0`."""
    return re.sub(r"(\d+\.\d+)\.\S+", r"\1", peer)


def cell(ratios):
    """`1.9 (by hand), 3.1 (fused Adam)`; a variant that is alone needs no name."""
    if len(ratios) == 1:
        return f"{ratios[0][0]:.1f}"
    return ", ".join(f"{ratio:.1f} ({variant})" for ratio, variant in ratios)


def title(name):
    """`Adam step, 128 x 784 x 3000`."""
    words = name.replace("-", " ").replace("adam", "Adam").replace("gram", "Gram")
    return f"{words}, {' x '.join(map(str, SHAPES[name]))}"


def milliseconds(seconds):
    """Three digits."""
    return f"{1e3 * seconds:.3g} ms"


def timing(seconds):
    """Median, fastest and slowest round, as two cells."""
    return f"{milliseconds(statistics.median(seconds))} | {milliseconds(min(seconds))} to {milliseconds(max(seconds))}"


def compare(program, commands, passes, rounds, threads, comparison):
    """Measures; what is left out at its first failure is not tried again."""
    for i in range(rounds):
        for name in passes:
            print(f"round {i + 1}/{rounds}: {name}", file=sys.stderr)
            allowed = 1 if name in ONE_THREAD else threads
            report = ours(program, name, allowed)
            comparison.machine = report["machine"]
            comparison.mine[name] += [result["seconds"] for result in report["results"] if result["pass"] == name]
            for peer, command in commands.items():
                if (peer, name) in comparison.left:
                    continue
                try:
                    results = theirs(command, name, allowed)
                except Left as reason:
                    comparison.left[peer, name] = str(reason)
                    continue
                for result in results:
                    comparison.add(name, allowed, result)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("passes", nargs="*", metavar="PASS", help=f"of {', '.join(SHAPES)}; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured")
    parser.add_argument("--threads", type=int, default=available(), help="threads of everybody")
    parser.add_argument("--memorize", help="the program to measure; built from this checkout by default")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.passes if name not in SHAPES]
    if unknown or arguments.rounds < 1 or arguments.threads < 1:
        parser.error(f"no such pass: {unknown[0]}" if unknown else "at least one round and one thread are needed")

    comparison = Comparison()
    try:
        program = arguments.memorize or build("memorize", "--locked")
        commands, left = peers()
        passes = list(dict.fromkeys(arguments.passes)) or list(SHAPES)
        comparison.left |= {(peer, name): reason for peer, reason in left.items() for name in passes}
        compare(program, commands, passes, arguments.rounds, arguments.threads, comparison)
    except Left as reason:
        sys.exit(str(reason))
    machine = comparison.machine
    print(f"{machine['cpu']}, {arguments.threads} threads, {machine['isa']}, f32, commit {machine['commit']}\n")
    print("\n".join([*comparison.details(), "", *comparison.table()]))
    print("".join(f"\n{line}" for line in [*comparison.left_out(), *sorted(comparison.notes)]), end="\n")


if __name__ == "__main__":
    main()
