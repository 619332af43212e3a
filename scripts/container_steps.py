"""Run the steps of a Dockerfile without a container builder: what is run, and what is not, is said.

    python scripts/container_steps.py Dockerfile
    python scripts/container_steps.py Dockerfile --environment .venv   # pip's steps are not run

This is no container. ``FROM`` is the Python that runs this script, on the system at hand; paths of
the image lie below a temporary folder, which all stages share; no user is made. What is tried: that
the files which are copied suffice, that pip finds and installs what is pinned, that the server
starts from the image's command as a user without rights (where this runs as root) and answers the
image's health check.
"""

import argparse
import json
import os
import re
import shutil
import socket
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Folders of the image that steps name.
FOLDERS = ("/opt/glance3d", "/build", "/data", "/cache")
#: What pip must know of this machine.
PASSED = re.compile(r"HOME$|PIP_|[A-Za-z]+_(proxy|PROXY)$")
NEEDS_ROOT = re.compile(r"\buseradd\b|\bapt-get\b")
ATTEMPTS, PAUSE_S = 1200, 0.5  # of the health check


@dataclass
class Place:
    """Where the image's paths lie, and what its environment and user are by now."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: int | None = None

    def here(self, words: str) -> str:
        """Words with the image's folders made those of this machine."""
        for name in FOLDERS:
            words = re.sub(rf"(?<![\w/.]){name}(?![\w])", f"{self.root}{name}", words)
        return words

    def run_options(self) -> dict:
        """For :mod:`subprocess`: as the image's user where that can be had."""
        options: dict = {"cwd": self.root / self.folder.lstrip("/"), "env": self.environment}
        if self.user is not None and os.getuid() == 0:
            options |= {"user": self.user, "group": self.user, "extra_groups": []}
        return options


def steps_of(file: Path) -> Iterator[tuple[str, str]]:
    """Instructions and their words."""
    text = re.sub(r"^#.*\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            instruction, words = line.split(maxsplit=1)
            yield instruction.upper(), " ".join(words.split())


def say(what: str, words: str) -> None:
    """One line a step."""
    print(f"{what:8} {words}", flush=True)


def take(place: Place, instruction: str, words: str, given: Path | None) -> None:
    """One step; ``given`` is an environment that stands for what pip would make."""
    if instruction == "RUN":
        run(place, words, given)
    elif instruction == "FROM":
        python = place.root / "from" / "python"
        python.parent.mkdir(exist_ok=True)
        python.unlink(missing_ok=True)
        python.symlink_to(Path(sys.executable).resolve())
        path = f"{python.parent}:{os.environ['PATH']}"
        passed = {name: value for name, value in os.environ.items() if PASSED.match(name)}
        place.environment = {**passed, "PATH": path}
        place.folder, place.user = "/", None
        say("differs", f"FROM {words}: Python {sys.version.split()[0]} of this machine")
    elif instruction in TAKEN:
        TAKEN[instruction](place, words)
        say("done", f"{instruction} {words}")


def set_environment(place: Place, words: str) -> None:
    """``ENV``, with variables of the environment so far."""
    for name, value in re.findall(r'(\w+)=("[^"]*"|\S+)', words):
        parts = string.Template(value.strip('"')).safe_substitute(place.environment).split(":")
        place.environment[name] = ":".join(map(place.here, parts))


def set_folder(place: Place, words: str) -> None:
    """``WORKDIR``, made where it is not there."""
    place.folder = words
    (place.root / words.lstrip("/")).mkdir(parents=True, exist_ok=True)


def copy_files(place: Place, words: str) -> None:
    """``COPY``; from another stage, everything is there already."""
    if "--from" not in words:
        *names, target = words.split()
        for name in names:
            copy(ROOT / name, place.root / place.folder.lstrip("/") / target)


def set_user(place: Place, words: str) -> None:
    """``USER``, who is given the folders that are mounted."""
    place.user = int(words.partition(":")[0])
    place.environment["HOME"] = str(place.root / "home")
    for name in ("data", "cache", "home"):
        folder = place.root / name
        folder.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            os.chown(folder, place.user, place.user)


#: What starts the image is tried at the end; other instructions are for a builder alone.
TAKEN = {"ENV": set_environment, "WORKDIR": set_folder, "COPY": copy_files, "USER": set_user}


def run(place: Place, words: str, given: Path | None) -> None:
    """``RUN``, or why it is not run."""
    if NEEDS_ROOT.search(words):
        say("not run", f"RUN {words}: this machine gets no users; folders are made at USER")
    elif given is not None:
        if " venv " in words:
            (place.root / "opt").mkdir()
            (place.root / "opt/glance3d").symlink_to(given.resolve())
        say("not run", f"RUN {words}: {given} stands for it")
    else:
        say("runs", f"RUN {words}")
        subprocess.run(["sh", "-ec", place.here(words)], check=True, **place.run_options())


def copy(source: Path, target: Path) -> None:
    """What ``.dockerignore`` lets through."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    if not any(fnmatch(source.name, line[1:]) for line in lines if line.startswith("!")):
        raise SystemExit(f"COPY: .dockerignore keeps {source.name} from the builder")
    target.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(source, target.parent / target.name, ignore=ignored, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


def keep_rights_if_needed(place: Place) -> None:
    """Where the image's user may not run this machine's Python (in ``/root``), root runs it."""
    try:
        python = shutil.which("python", path=place.environment["PATH"])
        subprocess.run([str(python), "-c", ""], check=True, **place.run_options())
    except (OSError, subprocess.CalledProcessError):
        say("differs", f"USER {place.user}: may not run {Path(str(python)).resolve()}, root does")
        place.user = os.getuid()


def serve_and_ask(place: Place, steps: list[tuple[str, str]]) -> None:
    """Start what the image starts, and ask what its health check asks."""
    last = dict(steps)
    port = free_port()
    with_port = [word.replace(last["EXPOSE"], str(port)) for word in json.loads(last["CMD"])]
    command = [place.here(word) for word in [*json.loads(last["ENTRYPOINT"]), *with_port]]
    check = json.loads(last["HEALTHCHECK"].partition("CMD ")[2])
    check = [word.replace(f":{last['EXPOSE']}/", f":{port}/") for word in check]
    path = place.environment["PATH"]
    command[0], check[0] = shutil.which(command[0], path=path), shutil.which(check[0], path=path)
    if None in (command[0], check[0]):
        raise SystemExit(f"not on the image's PATH: {last['ENTRYPOINT']} or {last['HEALTHCHECK']}")
    say("runs", " ".join(command))
    server = subprocess.Popen(command, **place.run_options())
    try:
        for _ in range(ATTEMPTS):
            if server.poll() is not None:
                raise SystemExit(f"the server ended with {server.returncode}")
            asked = subprocess.run(check, capture_output=True, **place.run_options())
            if asked.returncode == 0:
                user = place.user if os.getuid() == 0 else os.getuid()
                say("healthy", f"by HEALTHCHECK, as user {user}")
                return
            time.sleep(PAUSE_S)
        raise SystemExit(f"never healthy: {asked.stderr.decode()[-300:]}")
    finally:
        server.terminate()
        server.wait()


def free_port() -> int:
    """One that nothing listens on now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def main() -> None:
    """All steps in their order."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dockerfile", type=Path)
    parser.add_argument("--environment", type=Path, help="use it instead of what pip would install")
    options = parser.parse_args()
    steps = list(steps_of(options.dockerfile))
    with tempfile.TemporaryDirectory(prefix="container-steps-") as folder:
        Path(folder).chmod(0o755)  # the image's user looks into it
        place = Place(Path(folder))
        for instruction, words in steps:
            take(place, instruction, words, options.environment)
        keep_rights_if_needed(place)
        serve_and_ask(place, steps)


if __name__ == "__main__":
    main()
