"""Runs the code blocks of a page as its reader would: in order, in one empty folder.

What a block's info string means:

* ```` ```python ````: run in the page's one Python process, so later blocks see earlier names.
* ```` ```bash ````, or ```` ```console ```` with `$ ` (and `> ` for continuation) before commands: run in the
  page's one shell, with -e. Variables, the working folder and background servers last until the page ends.
  `exit=3` after the language: the block's last command must end with that status.
* ```` ```LANG file=NAME ````: written to that file, not run.
* ```` ```output ````: what the block before it must have printed; `...` stands for anything.
* ports 8320 to 8399 stand for ports that are free on this machine: a page names the same ones each time, and may
  be run beside another page, or beside a reader's own sidecar.
* any other language shows something and is not run. Other spellings of Python and shell are refused, so that
  nothing escapes by its name.

Commands that set up a machine (pip, uv, git, apt-get, …) are replaced by stand-ins that do nothing, and make
by a dry run in this repository, which fails for an unknown target: `.ci/run` does those for real.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import attrs

from house.tree import ROOT

RUN = {"python", "bash", "console"}
REFUSED = {"py", "python3", "pycon", "sh", "shell", "zsh", "shell-session", "no-run"}
SECONDS = 120
PORT = re.compile(r"\b83[2-9]\d\b")
STAND_INS = ("apt-get", "brew", "docker", "pip", "pip3", "pipx", "sudo", "uv", "uvx")

# A process that runs the file named on each line of its input and answers `done STATUS`.
PYTHON = """
import os, sys
_answer = os.fdopen(os.dup(1), "w", buffering=1)
for _line in sys.stdin:
    _source, _out = _line.rstrip("\\n").split("\\t")
    _file = os.open(_out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(_file, 1)
    os.dup2(_file, 2)
    os.close(_file)
    exec(compile(open(_source).read(), _source, "exec"), globals())
    sys.stdout.flush()
    _answer.write("done 0\\n")
"""
SHELL = """
exec 9>&1
while IFS=$'\\t' read -r _source _out _status; do
  if [ "$_status" = 0 ]; then set -e; else set +e; fi
  . "$_source" >"$_out" 2>&1 9>&- </dev/null
  printf 'done %s\\n' $? >&9
done
"""


@attrs.frozen
class Block:
    """One fenced block: where it stands, its info string, its text."""

    line: int
    language: str
    options: dict[str, str]
    text: str


def blocks(markdown: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    fence, info, start, body = "", "", 0, []
    for number, line in enumerate(markdown.splitlines(), 1):
        mark = re.match(r" *(`{3,}|~{3,})(.*)$", line)
        if not fence and mark:
            fence, info, start, body = mark[1], mark[2].strip(), number, []
            indent = line.index(mark[1])
        elif fence and mark and mark[1].startswith(fence) and not mark[2].strip():
            language, *options = info.split() or [""]
            yield Block(
                start, language, dict(option.split("=", 1) for option in options), "\n".join(body) + "\n"
            )
            fence = ""
        elif fence:
            body.append(line[indent:] if line[:indent].isspace() else line)
    assert not fence, f"line {start}: this block never ends"


def commands(console: str) -> str:
    """The commands of a console block, without prompts and without what they print."""
    taken, going_on = [], False
    for line in console.splitlines():
        prompt = line.startswith("$ ") or (taken and line.startswith("> "))
        if prompt or going_on:
            taken.append(line[2:] if prompt else line)
        going_on = line.endswith("\\") and bool(prompt or going_on)
    return "\n".join(taken) + "\n"


def matches(expected: str, printed: str) -> bool:
    """Whether `printed` is `expected`, where `...` stands for anything."""
    parts = (re.escape(part) for part in expected.strip().split("..."))
    return re.fullmatch(".*".join(parts), printed.strip(), re.DOTALL) is not None


class Page:
    """A page being run: its folder, its shell, its Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "page"
        self.scripts = folder / "scripts"
        home = folder / "home"
        for path in (self.folder, self.scripts, home):
            path.mkdir()
        # HOME is empty and MAESTRO_* is gone: a page may not lean on how this machine is set up.
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("MAESTRO_")
        }
        path = [stand_ins(folder / "bin"), Path(sys.executable).parent, os.environ["PATH"]]
        self.environment |= {"PATH": os.pathsep.join(map(str, path)), "HOME": str(home)}
        self.environment |= {"PYTHONPATH": str(self.folder)}
        self.ports: dict[str, str] = {}
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.printed = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Each process leads a session, so what it left in the background goes with it.
        for process in self.processes.values():
            stop(process)
            process.communicate()

    def process(self, name: str) -> subprocess.Popen[str]:
        if name not in self.processes:
            command = [sys.executable, "-c", PYTHON] if name == "python" else ["bash", "-c", SHELL]
            self.processes[name] = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        return self.processes[name]

    def run(self, block: Block) -> None:
        """Run, write or compare one block."""
        assert block.language not in REFUSED, f"line {block.line}: write ```python, ```bash or ```console"
        unknown = block.options.keys() - {"file", "exit"}
        assert not unknown, f"line {block.line}: unknown {unknown}"
        if name := block.options.get("file"):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.localised(block.text), encoding="utf-8")
        elif block.language == "output":
            assert matches(block.text, self.printed), f"line {block.line}: it printed\n{self.printed}"
        elif block.language in RUN:
            self.execute(block)

    def localised(self, text: str) -> str:
        """The text with a free port for each port that the page names, the same one all page long."""
        for named in set(PORT.findall(text)) - self.ports.keys():
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.ports[named] = str(free.getsockname()[1])
        return PORT.sub(lambda found: self.ports[found[0]], text)

    def execute(self, block: Block) -> None:
        process = self.process("python" if block.language == "python" else "bash")
        source = self.scripts / f"line-{block.line}"
        out = self.scripts / f"line-{block.line}.out"
        text = commands(block.text) if block.language == "console" else block.text
        source.write_text(self.localised(text), encoding="utf-8")
        wanted = block.options.get("exit", "0")
        tail = "" if block.language == "python" else f"\t{wanted}"
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(SECONDS, stop, [process])
        timer.start()
        try:
            process.stdin.write(f"{source}\t{out}{tail}\n")
            process.stdin.flush()
            answer = process.stdout.readline().strip()
        finally:
            timer.cancel()
        self.printed = out.read_text(encoding="utf-8", errors="replace") if out.exists() else ""
        for named, free in self.ports.items():
            self.printed = self.printed.replace(free, named)
        told = f"line {block.line}: {answer or 'failed'}, not status {wanted}\n{source.read_text()}{self.printed}"
        assert answer == f"done {wanted}", told


def stop(process: subprocess.Popen[str]) -> None:
    """End a process and everything that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def stand_ins(folder: Path) -> Path:
    """A folder of commands that stand in for those that set up a machine."""
    scripts = dict.fromkeys(STAND_INS, "exit 0")
    scripts["make"] = (
        f'exec /usr/bin/env -u MAKEFLAGS -u MAKELEVEL {shutil.which("make")} -C "{ROOT}" --dry-run "$@"'
    )
    scripts["git"] = 'case $1 in clone) mkdir -p "${3:-$(basename "$2" .git)}" ;; esac'
    folder.mkdir()
    for name, script in scripts.items():
        path = folder / name
        path.write_text(f"#!/usr/bin/env bash\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
    return folder
