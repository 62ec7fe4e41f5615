from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools import go_tools, python_environment
from twin import binaries

ROOT = Path(__file__).resolve().parents[1]
PATH_BEFORE = os.environ.get("PATH", "")

LESS = "-gcflags=all=-dwarf=false"
"""Flag of every build."""
CATALOG = """
[toy]
layers = ["charts"]
minutes = 0.1
flags = ["-trimpath"]
[toy.tools.toy]
file = "toy"
version_arguments = ["version"]
at_least = "1.2"
below = "2"
[toy.tools.toy-companion]
file = "toy-companion"
beside = "toy"
"""

# Stands for the Go command: says its version, and "builds" by writing the two executables after a while.
FAKE_GO = """\
#!/bin/sh
case "$*" in
  version) echo "go version go{version} linux/amd64"; exit 0;;
esac
echo "$$ $*" >> {log}
touch "$GOBIN/toy"; chmod +x "$GOBIN/toy"
sleep {seconds}
{ending}
printf '#!/bin/sh\\n' > "$GOBIN/toy-companion"; chmod +x "$GOBIN/toy-companion"
"""


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


class Toolbox:
    """A toolbox of one toy module, a cache of its own, and a PATH with nothing but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bin"
        self.cache = folder / "cache"
        self.tools = folder / "tools"
        self.log = folder / "go.log"
        (self.tools / "toy").mkdir(parents=True)
        (self.tools / "tools.toml").write_text(CATALOG, encoding="utf-8")
        (self.tools / "toy" / "go.mod").write_text("module toy\n\ngo 1.26.0\n", encoding="utf-8")
        (self.tools / "toy" / "go.sum").write_text("", encoding="utf-8")
        self.path.mkdir()
        for command in ("sh", "touch", "chmod", "sleep"):
            (self.path / command).symlink_to(str(shutil.which(command)))

    def install_go(self, version: str = "1.26.8", seconds: float = 0, ending: str = "") -> None:
        script = FAKE_GO.format(version=version, log=self.log, seconds=seconds, ending=ending)
        executable(self.path / "go", script)

    def builds(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []

    def leftovers(self) -> list[str]:
        root = self.cache / "spillway" / "tools"
        return [entry.name for entry in root.iterdir() if entry.name.startswith(".building-")] if root.exists() else []


@pytest.fixture
def toolbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toolbox]:
    box = Toolbox(tmp_path)
    monkeypatch.setattr(binaries, "TOOLS_FOLDER", box.tools)
    monkeypatch.setenv("PATH", str(box.path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(box.cache))
    monkeypatch.delenv("GOTOOLCHAIN", raising=False)
    binaries.modules.cache_clear()
    yield box
    binaries.modules.cache_clear()


def quiet(_line: str) -> None:
    """Takes the lines that set-up would print."""


# Finding


def test_a_tool_of_a_fitting_version_is_taken_from_the_path(toolbox: Toolbox) -> None:
    fitting = executable(toolbox.path / "toy", "#!/bin/sh\necho v1.10.3+gabc\n")
    companion = executable(toolbox.path / "toy-companion", "#!/bin/sh\n")
    assert binaries.find("toy") == fitting
    assert binaries.find("toy-companion") == companion
    go_tools.install(quiet)  # nothing to build: no Go is there to build with


@pytest.mark.parametrize("says", ["echo v1.1.9", "echo v2.0.0", "echo development", "echo v1.5.0; exit 1"])
def test_a_tool_of_another_version_is_not_taken(toolbox: Toolbox, says: str) -> None:
    executable(toolbox.path / "toy", f"#!/bin/sh\n{says}\n")
    executable(toolbox.path / "toy-companion", "#!/bin/sh\n")
    assert binaries.find("toy") is None
    assert binaries.find("toy-companion") is None, "a companion fits only beside a fitting tool"
    with pytest.raises(binaries.MissingToolError, match="make tools"):
        binaries.require("toy")


def test_a_tool_that_tells_no_version_is_not_taken_from_the_path(toolbox: Toolbox) -> None:
    executable(toolbox.path / "toy", "#!/bin/sh\necho v1.10.3\n")
    kept = [line for line in CATALOG.splitlines() if not line.startswith("version_arguments")]
    (toolbox.tools / "tools.toml").write_text("\n".join(kept), encoding="utf-8")
    assert binaries.find("toy") is None


def test_an_unknown_tool_is_an_error_with_the_known_ones(toolbox: Toolbox) -> None:
    with pytest.raises(KeyError, match="toy, toy-companion"):
        binaries.find("kubectl")


def test_the_cache_folder_follows_pins_and_flags(toolbox: Toolbox) -> None:
    def folder() -> Path:
        binaries.modules.cache_clear()
        return binaries.modules()[0].cache_folder

    seen = {folder()}
    for file, text in (
        ("toy/go.sum", "a v1 h1:x\n"),
        ("toy/go.mod", "module toy\n\ngo 1.26.1\n"),
        ("toy/main.go", "package main\n"),
        ("toy/main.go", "package main // changed\n"),
        ("tools.toml", CATALOG.replace("-trimpath", "-pgo=off")),
    ):
        (toolbox.tools / file).write_text(text, encoding="utf-8")
        assert folder() not in seen
        seen.add(folder())
    (toolbox.tools / "tools.toml").write_text(CATALOG.replace("minutes = 0.1", "minutes = 3"), encoding="utf-8")
    (toolbox.tools / "toy" / "go.mod").write_text("module toy\n\ngo 1.26.0\n", encoding="utf-8")
    (toolbox.tools / "toy" / "go.sum").write_text("", encoding="utf-8")
    (toolbox.tools / "toy" / "main.go").unlink()
    assert folder() in seen, "an expected time is not part of a build"


def test_the_catalog_names_every_module_folder_and_each_tool_once() -> None:
    tables = tomllib.loads((ROOT / "tools" / "tools.toml").read_text(encoding="utf-8"))
    assert set(tables) == {path.parent.name for path in (ROOT / "tools").glob("*/go.mod")}
    names = [name for table in tables.values() for name in table["tools"]]
    asked_for = "actionlint pulumi pulumi-language-python pulumi-resource-kubernetes helm3 helm4 kubeconform kube-score"
    scaling = "etcd kwok keda-operator keda-adapter karpenter prometheus promtool"
    control_plane = "kube-apiserver kube-controller-manager kube-scheduler"
    assert sorted(names) == sorted(f"{asked_for} {scaling} {control_plane}".split())
    silent = {"pulumi-resource-kubernetes", "keda-operator", "keda-adapter", "karpenter"}
    for table in tables.values():
        for name, tool in table["tools"].items():
            stands_in = "beside" in tool or {"version_arguments", "at_least", "below"} <= set(tool)
            assert stands_in != (name in silent), "those tell no version"


# Building


def test_a_build_is_found_afterwards_and_not_repeated(toolbox: Toolbox) -> None:
    toolbox.install_go()
    said: list[str] = []
    go_tools.install(said.append)
    builds = [line.split(" ", 1)[1] for line in toolbox.builds()]
    assert builds == [f"-C {toolbox.tools}/toy install {LESS} -trimpath tool"]
    assert any("usually 6 s" in line for line in said)
    assert binaries.require("toy").parent == binaries.require("toy-companion").parent

    said.clear()
    go_tools.install(said.append)
    assert said == []
    assert len(toolbox.builds()) == 1


def test_a_module_builds_the_package_that_the_catalog_names(toolbox: Toolbox) -> None:
    toolbox.install_go()
    (toolbox.tools / "tools.toml").write_text(CATALOG.replace("minutes", 'package = "."\nminutes'), encoding="utf-8")
    go_tools.install(quiet)
    builds = [line.split(" ", 1)[1] for line in toolbox.builds()]
    assert builds == [f"-C {toolbox.tools}/toy install {LESS} -trimpath ."]


def test_two_setups_at_once_build_once(toolbox: Toolbox) -> None:
    toolbox.install_go(seconds=0.7)
    said: list[str] = []
    threads = [threading.Thread(target=go_tools.install, args=(said.append,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(toolbox.builds()) == 1
    assert "another set-up is building toy; waiting for it" in said
    assert binaries.find("toy") is not None


def test_a_failed_build_leaves_nothing_and_says_where_its_output_is(toolbox: Toolbox) -> None:
    toolbox.install_go(ending="echo 'undefined: frobnicate'; exit 1")
    with pytest.raises(go_tools.BuildError, match="undefined: frobnicate") as error:
        go_tools.install(quiet)
    assert "the charts tests and the deploying part of the demo are skipped" in str(error.value)
    log = Path(str(error.value).rpartition("The whole output: ")[2])
    assert "frobnicate" in log.read_text(encoding="utf-8")
    assert binaries.find("toy") is None
    assert toolbox.leftovers() == []


def test_a_build_without_one_of_its_tools_is_a_failure(toolbox: Toolbox) -> None:
    toolbox.install_go(ending="exit 0")
    with pytest.raises(go_tools.BuildError, match="ended without toy-companion"):
        go_tools.install(quiet)
    assert binaries.find("toy") is None


def test_without_go_a_plain_sentence_says_what_is_skipped(toolbox: Toolbox) -> None:
    with pytest.raises(go_tools.BuildError, match=r"Go is not installed, so the charts tests .* are skipped"):
        go_tools.install(quiet)


def test_an_old_go_is_not_used_and_fetches_no_newer_one(toolbox: Toolbox) -> None:
    toolbox.install_go(version="1.19.8")
    with pytest.raises(go_tools.BuildError, match=r"Go 1\.19 is older than 1\.26"):
        go_tools.install(quiet)
    assert toolbox.builds() == []


INSTALL = """
import sys
from pathlib import Path
from twin import binaries
binaries.TOOLS_FOLDER = Path(sys.argv[1])
import tools.setup
sys.exit(tools.setup.main(["tools"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_build_is_taken_up_by_the_next(toolbox: Toolbox, number: signal.Signals) -> None:
    toolbox.install_go(seconds=30)
    run = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INSTALL), str(toolbox.tools)], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    go = None
    try:
        wait_for(lambda: toolbox.builds())
        go = int(toolbox.builds()[0].split()[0])
        run.send_signal(number)
        assert run.wait(timeout=10) == (-number if number == signal.SIGKILL else 130)
        if number != signal.SIGKILL:
            wait_for(lambda: not Path(f"/proc/{go}").exists())
            assert toolbox.leftovers() == []
        assert binaries.find("toy") is None

        toolbox.install_go()
        go_tools.install(quiet)
        assert binaries.find("toy") is not None
        assert toolbox.leftovers() == []
    finally:
        run.kill()
        run.wait()
        if number == signal.SIGKILL and go is not None:
            os.killpg(go, signal.SIGKILL)


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
def test_the_real_go_builds_a_module(toolbox: Toolbox, monkeypatch: pytest.MonkeyPatch) -> None:
    go = shutil.which("go", path=PATH_BEFORE)
    assert go is not None
    monkeypatch.setenv("PATH", str(Path(go).parent))
    monkeypatch.setenv("GOCACHE", str(toolbox.cache / "go-build"))
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    modules = toolbox.tools / "toy"
    (toolbox.tools / "tools.toml").write_text(CATALOG.partition("[toy.tools.toy-companion]")[0], encoding="utf-8")
    (modules / "go.mod").write_text("module example.test/toy\n\ngo 1.26.0\n\ntool example.test/toy\n", encoding="utf-8")
    (modules / "main.go").write_text('package main\n\nfunc main() { println("toy v1.2.3") }\n', encoding="utf-8")
    binaries.modules.cache_clear()
    go_tools.install(quiet)
    run = subprocess.run([binaries.require("toy")], capture_output=True, text=True, check=True)
    assert run.stderr == "toy v1.2.3\n"


def wait_for(condition: Callable[[], object], patience_s: float = 10.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


# The Python environment


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with an environment that looks complete."""
    (tmp_path / "requirements.lock").write_text("rich==14.0.0 --hash=sha256:00\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    environment = tmp_path / ".venv"
    executable(environment / "bin" / "python", "#!/bin/sh\n")
    (environment / "pyvenv.cfg").write_text("home = /usr\nversion = 3.12.1\n", encoding="utf-8")
    (environment / "spillway.stamp").write_text(python_environment.digest(tmp_path), encoding="ascii")
    return tmp_path


def test_a_complete_environment_is_left_alone(checkout: Path) -> None:
    said: list[str] = []
    python_environment.install(checkout, said.append)  # would fail: neither lock nor interpreter is real
    assert said == []


@pytest.mark.parametrize("change", ["lock", "project", "interpreter", "version", "unfinished"])
def test_an_environment_that_no_longer_fits_is_not_taken_for_complete(checkout: Path, change: str) -> None:
    match change:
        case "lock":
            (checkout / "requirements.lock").write_text("rich==14.0.1 --hash=sha256:00\n", encoding="utf-8")
        case "project":
            (checkout / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
        case "interpreter":
            (checkout / ".venv" / "bin" / "python").unlink()
        case "version":
            (checkout / ".venv" / "pyvenv.cfg").write_text("version = 3.10.2\n", encoding="utf-8")
        case "unfinished":
            (checkout / ".venv" / "spillway.stamp").unlink()
    assert not python_environment.up_to_date(checkout)


def test_a_failed_installation_leaves_no_stamp_and_shows_the_installers_words(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "requirements.lock").write_text("# changed\n", encoding="utf-8")
    uv = executable(checkout / "bin" / "uv", "#!/bin/sh\necho 'hash mismatch for rich' >&2; exit 1\n")
    monkeypatch.setenv("PATH", str(uv.parent))
    with pytest.raises(python_environment.InstallError, match="hash mismatch for rich"):
        python_environment.install(checkout, quiet)
    assert not (checkout / ".venv" / "spillway.stamp").exists()


def test_hashes_are_required_and_nothing_is_fetched_for_the_project_itself(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "requirements.lock").write_text("# changed\n", encoding="utf-8")
    log = checkout / "uv.log"
    uv = executable(checkout / "bin" / "uv", f'#!/bin/sh\necho "$@" >> {log}\n')
    monkeypatch.setenv("PATH", str(uv.parent))
    python_environment.install(checkout, quiet)
    locked, project = log.read_text(encoding="utf-8").splitlines()
    assert "--require-hashes -r requirements.lock" in locked
    assert "--no-deps --no-build-isolation --editable ." in project
    assert python_environment.up_to_date(checkout)


def test_without_uv_pip_installs_and_compiles_nothing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of modules of Pulumi's SDKs are never imported; Python compiles what is."""
    (checkout / "requirements.lock").write_text("# changed\n", encoding="utf-8")
    log = checkout / "pip.log"
    executable(checkout / ".venv" / "bin" / "python", f'#!/bin/sh\necho "$@" >> {log}\n')
    monkeypatch.setenv("PATH", str(checkout / "bin"))
    python_environment.install(checkout, quiet)
    locked, project, _ = log.read_text(encoding="utf-8").splitlines()
    assert "--no-compile --require-hashes -r requirements.lock" in locked
    assert "--no-compile --no-deps --no-build-isolation --editable ." in project


def test_the_planner_has_an_environment_of_its_own(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = python_environment.PLANNER
    (checkout / packages.lock).write_text("# few\n", encoding="utf-8")
    log = checkout / "uv.log"
    python = checkout / packages.folder / "bin" / "python"
    make = f"mkdir -p {python.parent}; echo '#!/bin/sh' > {python}; chmod +x {python}"
    version = f"echo version = 3.12.1 > {checkout / packages.folder}/pyvenv.cfg"
    script = f'#!/bin/sh\necho "$@" >> {log}\n[ "$1" != venv ] || {{ {make}; {version}; }}\n'
    uv = executable(checkout / "bin" / "uv", script)
    monkeypatch.setenv("PATH", f"{uv.parent}:{PATH_BEFORE}")
    python_environment.install(checkout, quiet, packages)
    _, locked, project = log.read_text(encoding="utf-8").splitlines()
    assert locked.endswith("--require-hashes -r requirements-planner.lock")
    assert "--editable ." in project
    assert python_environment.up_to_date(checkout, packages)
    (checkout / "requirements.lock").write_text("# changed\n", encoding="utf-8")
    assert python_environment.up_to_date(checkout, packages), "the other lock is none of its business"
    assert not python_environment.up_to_date(checkout)


@pytest.mark.parametrize("change", ["requirements-planner.lock", "pyproject.toml"])
def test_a_cache_is_named_by_what_it_depends_on(checkout: Path, change: str) -> None:
    packages = python_environment.PLANNER
    (checkout / packages.lock).write_text("# few\n", encoding="utf-8")
    before = python_environment.cached(checkout, packages)
    assert before == python_environment.cached(checkout, packages)
    assert before["folder"] == str(checkout / ".venv-planner")
    (checkout / change).write_text("# changed\n", encoding="utf-8")
    assert python_environment.cached(checkout, packages)["key"] != before["key"]


def _pins(lock: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([a-z0-9-]+)==(\S+)", line):
            found.setdefault(match[1], set()).add(match[2])
    return found


def test_the_planners_lock_is_a_part_of_the_whole_one() -> None:
    """`make lock` solves both, so that no run of continuous integration plans with what the tests did not see."""
    whole, part = _pins("requirements.lock"), _pins("requirements-planner.lock")
    assert len(part) < len(whole) / 3
    assert {name: pins for name, pins in part.items() if whole.get(name) != pins} == {}
    heavy = {"pulumi", "moto", "boto3", "kubernetes", "mypy", "aiohttp", "cryptography"}
    assert heavy <= set(whole)
    assert heavy & set(part) == set()


def test_make_alone_lists_its_targets() -> None:
    run = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = [line.split()[1] for line in run.stdout.splitlines()]
    assert {"help", "setup", "demo", "test", "check", "lock", "bench", "clean"} <= set(targets)
