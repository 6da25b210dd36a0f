#!/usr/bin/env python3
"""docs/interop.md, run as a reader would: its blocks of shell and Python, from top to bottom, in a scratch folder.

Each block is a process of its own, with the program in the PATH as `memorize`; one that fails fails the page. A block of Python
whose imports are not installed is named and left out. Needs Python's standard library; without NumPy, which writes the samples, it
says that the page was skipped.

    tests/interop.py [--program target/debug/memorize] [--page docs/interop.md]
"""

import argparse
import ast
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "interop.md"


def blocks(text):
    """(heading, line, language, code) of every fenced block of shell or Python."""
    heading, language, first, lines = "", None, 0, []
    for number, line in enumerate(text.splitlines(), 1):
        if language is None:
            if line.startswith("#"):
                heading = line.lstrip("# ")
            elif line.startswith("```"):
                language, first, lines = line[3:].strip(), number, []
        elif line.startswith("```"):
            if language in ("sh", "python"):
                yield heading, first, language, "\n".join(lines) + "\n"
            language = None
        else:
            lines.append(line)


def missing(code):
    """The packages that a block imports and that are not installed."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    packages = {name.partition(".")[0] for name in names}
    return sorted(package for package in packages if importlib.util.find_spec(package) is None)


def run(language, code, folder, path):
    """Runs a block; its exit code, and what it has printed."""
    command = [sys.executable, "-c", code] if language == "python" else ["bash", "-euo", "pipefail", "-c", code]
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=pathlib.Path, default="target/debug/memorize", help="the program that is run as `memorize`")
    parser.add_argument("--page", type=pathlib.Path, default=PAGE, help="the page whose blocks are run")
    arguments = parser.parse_args()
    if importlib.util.find_spec("numpy") is None:
        print("skipped: docs/interop.md, for want of NumPy (pip install numpy safetensors pandas)")
        return
    program = arguments.program.resolve(strict=True)
    found = list(blocks(arguments.page.read_text()))
    assert found, f"{arguments.page} has no blocks of shell or Python"
    ran = 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        programs, folder = scratch / "bin", scratch / "page"
        programs.mkdir()
        folder.mkdir()
        (programs / "memorize").symlink_to(program)
        path = f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        for heading, line, language, code in found:
            name = f"{arguments.page.name}:{line}, {heading!r}"
            wanting = missing(code) if language == "python" else []
            if wanting:
                print(f"skipped: {name}, for want of {' and '.join(wanting)}")
                continue
            status, printed = run(language, code, folder, path)
            if status != 0:
                sys.exit(f"{name}: exit code {status}\n{code}\n{printed}")
            ran += 1
    print(f"{arguments.page.name}: {ran} of {len(found)} blocks ran")


if __name__ == "__main__":
    main()
