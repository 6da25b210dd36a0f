"""Ours and theirs in turn, in one run: the ratio table of the README.

    python benches/peers/compare.py [--rounds N] [--memorize target/release/memorize] [PASS ...]

Every round measures each pass with `memorize bench` and right after it with each peer, so that a machine whose speed
drifts slows both down. Medians over the rounds are printed, with the ratio theirs / ours. A peer that is not installed
is named and left out.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
from collections import defaultdict

from workloads import SHAPES

HERE = pathlib.Path(__file__).parent
PEERS = ["torch_peer.py", "jax_peer.py", "numpy_peer.py"]


def ours(program, name):
    """Median seconds of a pass, native backend, f32."""
    command = [program, "bench", "--quick", "--json", "--backend", "native", "--filter", f"{name} "]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return report["results"][0]["seconds"]


def theirs(script, name):
    """What a peer measured, or None and the reason."""
    done = subprocess.run([sys.executable, HERE / script, name], capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout), None
    return None, done.stderr.strip().splitlines()[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("passes", nargs="*", metavar="PASS", help=f"of {', '.join(SHAPES)}; all by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memorize", default="target/release/memorize", help="the program to measure")
    arguments = parser.parse_args()

    mine, peers, missing = defaultdict(list), defaultdict(list), {}
    for _ in range(arguments.rounds):
        for name in arguments.passes or SHAPES:
            mine[name].append(ours(arguments.memorize, name))
            for script in PEERS:
                if script in missing:
                    continue
                results, reason = theirs(script, name)
                if results is None:
                    missing[script] = reason
                    continue
                for result in results:
                    peers[name, result["peer"], result["variant"]].append(result["seconds"])

    print("| pass | memorize | peer | time | ratio |\n|---|---|---|---|---|")
    for (name, peer, variant), seconds in peers.items():
        own, other = statistics.median(mine[name]), statistics.median(seconds)
        print(f"| {name} | {1e3 * own:.3g} ms | {peer}, {variant} | {1e3 * other:.3g} ms | {other / own:.1f} |")
    for script, reason in missing.items():
        print(f"left out: {script} ({reason})")


main()
