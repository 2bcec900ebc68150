"""Create .venv with everything that the Makefile needs. Safe to run again, also after an interruption.

    python3 .ci/environment.py

Runs on any Python 3: it searches for an interpreter that is new enough ($PYTHON first), and reports what is missing if
there is none. The file .venv/.installed marks a complete environment; without it the installation is repeated, and from
scratch if the existing environment does not work.
"""

import glob
import os
import shutil
import subprocess
import sys
import threading
import time

OLDEST, NEWEST = (3, 11), (3, 14)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, ".installed")
LOG = os.path.join(VENV, "install.log")
GIGABYTES = 8  # peak disk usage of the installation, including downloads
WORKS = "import matplotlib, mypy, numba, pytest, safetensors, soundfile, torch, torchaudio, transformers"


def output_of(*command: str) -> "str | None":
    """Return the output of a command, or None if it cannot be run or fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.decode().strip()


def version_of(python: str) -> "tuple[int, ...] | None":
    """Return the version, such as (3, 11); None if the interpreter does not work."""
    text = output_of(python, "-c", "import sys; print(*sys.version_info[:2])")
    return tuple(int(part) for part in text.split()) if text else None


def candidates() -> "list[str]":
    """Return candidate interpreters: $PYTHON, this one, the usual names, and those of pyenv."""
    names = [os.environ.get("PYTHON", ""), sys.executable, "python3"]
    minors = range(NEWEST[1], OLDEST[1] - 1, -1)
    names += ["python3.{}".format(minor) for minor in minors] + ["python"]
    pyenv = os.environ.get("PYENV_ROOT") or os.path.join(os.path.expanduser("~"), ".pyenv")
    for minor in minors:
        folders = sorted(glob.glob(os.path.join(pyenv, "versions", "3.{}.*".format(minor))))
        # numbers only: no pre-releases and no free-threaded builds
        whole = [folder for folder in folders if folder.rsplit(".", 1)[1].isdigit()]
        names += [os.path.join(folder, "bin", "python") for folder in whole]
    return list(dict.fromkeys(filter(None, names)))


def newest_python() -> str:
    """Return the newest usable interpreter of this machine; the first of several of one version."""
    versions = [(version_of(name) or (0,), name) for name in candidates()]
    usable = [(version, name) for version, name in versions if OLDEST <= version <= NEWEST]
    return max(usable, key=lambda pair: pair[0])[1] if usable else find_python()


def find_python() -> str:
    """Return the first usable interpreter."""
    found = []
    for name in candidates():
        version = version_of(name)
        if version and OLDEST <= version <= NEWEST:
            return name
        if version:
            found.append("{} is {}.{}".format(name, *version))
    sys.exit(
        "seqgen needs Python 3.11 to 3.14, and found none ({}).\n"
        "Install one, or name it: make PYTHON=/path/to/python3.12 ...".format(
            "; ".join(found) or "no Python 3"
        )
    )


def make_venv(python: str, where: str = VENV) -> None:
    """Create an environment with pip, by the first method that this machine supports."""
    name = os.path.relpath(where, ROOT)
    print("making {} with {} ({}) ...".format(name, python, output_of(python, "--version")), flush=True)
    if output_of(python, "-c", "import ensurepip, venv") is not None:
        subprocess.run([python, "-m", "venv", "--clear", where], check=True)
    elif output_of(python, "-m", "virtualenv", "--version") is not None:
        subprocess.run([python, "-m", "virtualenv", "-q", "--clear", where], check=True)
    elif output_of(python, "-m", "pip", "--version") and output_of(python, "-c", "import venv") is not None:
        subprocess.run([python, "-m", "venv", "--clear", "--without-pip", where], check=True)
        inside = os.path.join(where, "bin", "python")
        subprocess.run([python, "-m", "pip", "-q", "--python", inside, "install", "pip"], check=True)
    else:
        sys.exit(
            "{} cannot make a virtual environment: its module venv is not whole.\n"
            "On Debian and Ubuntu: sudo apt install python3-venv".format(python)
        )


def works() -> bool:
    """Return whether .venv has an interpreter that is new enough, and pip."""
    version = version_of(VENV_PYTHON)
    return bool(version and version >= OLDEST and output_of(VENV_PYTHON, "-m", "pip", "--version"))


def drop_halves() -> None:
    """Remove partially installed packages, which pip would consider complete."""
    text = output_of(VENV_PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    for name in os.listdir(text) if text and os.path.isdir(text) else []:
        path = os.path.join(text, name)
        half = name.endswith(".dist-info") and not os.path.exists(os.path.join(path, "RECORD"))
        if half or name.startswith("~"):
            shutil.rmtree(path, ignore_errors=True)


def install() -> bool:
    """Install the checkout with its tools; return False if pip fails."""
    free = shutil.disk_usage(ROOT).free / 1e9
    if free < GIGABYTES:
        print("warning: {:.1f} GB are free here, the installation wants {}".format(free, GIGABYTES))
    print("installing torch and the rest, 6.4 GB: some minutes, once ...", flush=True)
    command = [VENV_PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    command += ["-c", "constraints.txt", "-e", ".[dev]"]
    began, ended = time.time(), threading.Event()

    def tick() -> None:
        while not ended.wait(30):
            print("  ... {:.0f} s".format(time.time() - began), flush=True)

    threading.Thread(target=tick, daemon=True).start()
    try:
        with open(LOG, "wb") as log:
            status = subprocess.run(
                command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "PIP_USER": "0"}
            ).returncode
    finally:
        ended.set()
    if status == 0:
        print("installed in {:.0f} s".format(time.time() - began), flush=True)
    return status == 0


def main() -> None:
    fresh = not works()
    if fresh:
        make_venv(find_python())
    else:
        if os.path.exists(STAMP):
            os.remove(STAMP)
        drop_halves()
    if not install():
        with open(LOG, encoding="utf-8", errors="replace") as log:
            sys.stderr.writelines(log.readlines()[-20:])
        sys.exit("the installation failed; the whole of it is in .venv/install.log. Run make again to go on.")
    if output_of(VENV_PYTHON, "-c", WORKS) is None:
        if fresh:
            subprocess.run([VENV_PYTHON, "-c", WORKS])
            sys.exit("the installed packages do not work together on this machine; see above")
        print("the environment that was there does not work; making a new one", flush=True)
        shutil.rmtree(VENV)
        main()
        return
    with open(STAMP, "w") as stamp:
        stamp.write("whole\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; run make again to go on")
    except subprocess.CalledProcessError as error:
        sys.exit("failed: {}".format(" ".join(error.cmd)))
