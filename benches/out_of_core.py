"""Training on a file that is kept in memory against the same file read again on every pass.

    python benches/out_of_core.py [--rows N] [--rounds N] [--folder DIR]

Makes a file of N MNIST images drawn with replacement (1,000,000 unless told otherwise: 784 MB), trains on it in both
ways in turn, and prints for each kind of pass the medians, their ratio, the most anonymous memory that the streamed run
had, and whether the final weights are the same bits. The in-memory runs need 4 N d bytes.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "target" / "release" / "memorize"
COMMON = "--normalize --neurons 3000 --record-every 1000 --quiet"
PASSES = {
    "full batch": "--optimizer gd --lr 0.01 --iterations 8",
    "full batch, noise": "--optimizer gd --lr 0.01 --iterations 8 --noise 0.01",
    "mini-batch Adam": "--optimizer adam --lr 0.003 --iterations 4000",
    "mini-batch Adam, noise": "--optimizer adam --lr 0.003 --iterations 4000 --noise 0.01",
}


def anonymous(pid):
    """Bytes of anonymous memory that a process has now; 0 where the system does not say, or once it has ended."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon")), 0)


def weights(path):
    """The bytes of W in a weights file: 8 bytes of length, a JSON header, the tensors."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    first, last = json.loads(data[8:start])["W"]["data_offsets"]
    return data[start + first : start + last]


def train(folder, arguments, budget):
    """A run: samples a second, most anonymous memory, the final weights."""
    out = folder / "run"
    files = ["--inputs", folder / "X.idx", "--targets", folder / "y.idx", "--out", out, "--memory-budget", budget]
    command = [PROGRAM, "train", "--overwrite", *files, *COMMON.split(), *arguments.split()]
    process, most = subprocess.Popen(command, stdout=subprocess.DEVNULL), 0
    while process.poll() is None:
        most = max(most, anonymous(process.pid))
        time.sleep(0.05)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with code {process.returncode}")
    summary = json.loads((out / "summary.json").read_text())
    return summary["samples_per_second"], most, weights(out / "checkpoint.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the file is made [default: a temporary folder]")
    arguments = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        folder = pathlib.Path(folder)
        sample = [PROGRAM, "data", "sample", "mnist", "--resample", "--rows", str(arguments.rows)]
        subprocess.run([*sample, "--out", folder / "X.idx", "--targets-out", folder / "y.idx"], check=True)
        print(f"{'':24}{'in memory':>12}{'streamed':>12}{'ratio':>8}{'anonymous':>12}  same bits")
        for name, flags in PASSES.items():
            kept, streamed, most, same = [], [], 0, True
            for _ in range(arguments.rounds):
                speed, _, expected = train(folder, flags, "1TiB")
                kept.append(speed)
                speed, anonymous_bytes, found = train(folder, flags, "1MiB")
                streamed.append(speed)
                most, same = max(most, anonymous_bytes), same and found == expected
            kept, streamed = statistics.median(kept), statistics.median(streamed)
            ratio, megabytes = streamed / kept, most / 1e6
            print(f"{name:24}{kept:10,.0f}/s{streamed:10,.0f}/s{ratio:8.3f}{megabytes:9,.0f} MB  {same}", flush=True)


if __name__ == "__main__":
    main()
