"""A run as a whole, from a sweep to its report: whole, stopped, gone on with, and driven by another trainer."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from run_folders import differing, tables

import jaxreg
from jaxreg.engine import training
from jaxreg.engine.progress import Silent
from jaxreg.errors import Interrupted, UserError
from jaxreg.spec.members import members
from jaxreg.store.folder import Folder
from jaxreg.store.members import StoredMembers

ROOT = Path(__file__).parents[1]
RUNS = [
    {"name": "second", "after": "first", "epochs": 1},
    {"name": "first"},
    {"name": "stops", "epochs": 4, "learning_rate": 0.5, "early_stopping": {"patience": 1, "validation_share": 0.2}},
    {"name": "l1", "l1": 1e-3},
]
FIRST_CHUNK = {"first/split0/seed0", "first/split1/seed0"}  # a member on each of two devices


@pytest.fixture(scope="module")
def sweep(small):
    return small(run=RUNS)


@pytest.fixture(scope="module")
def left_alone(sweep, dataset, tmp_path_factory):
    """The folder of a run that nothing disturbed. To be read only."""
    return jaxreg.run(sweep, out=tmp_path_factory.mktemp("run") / "alone", dataset=dataset, devices=2, block=1).folder


@pytest.fixture
def finished_folder(left_alone, tmp_path):
    """The same, to be written in."""
    return Path(shutil.copytree(left_alone, tmp_path / "finished"))


@pytest.fixture
def no_report(monkeypatch):
    """Without figures and page, which take longer than all the rest."""
    monkeypatch.setattr("jaxreg.report.page.write", lambda folder: folder)


@pytest.fixture
def untrained(monkeypatch):
    """Fails where a trainer is made."""

    def refuse(*_):
        raise AssertionError("a trainer was made")

    monkeypatch.setattr("jaxreg.engine.trainer.Trainer", refuse)


class CtrlC(Silent):
    """Interrupts the training when a chunk that began after so many others has trained an epoch."""

    def __init__(self, chunks):
        super().__init__()
        self.chunks, self.seen = chunks, []

    def advance(self, member_epochs, label, loss, diverged=0):
        self.seen = self.seen if label in self.seen else [*self.seen, label]
        if len(self.seen) > self.chunks:
            raise KeyboardInterrupt


def on_disk(folder):
    return {json.loads(file.read_text())["id"] for file in (folder / "members").glob("*.json")}


def stopped(sweep, dataset, out, chunks, block=1):
    with pytest.raises(Interrupted) as told:
        jaxreg.run(sweep, out=out, dataset=dataset, devices=2, block=block, progress=CtrlC(chunks))
    return str(told.value)


def test_the_files_of_the_readme_are_there(left_alone):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"## What a run leaves\n(.*?)\n## ", text, flags=re.DOTALL)
    named = set(re.findall(r"`([\w-]+\.\w+|figures/)`", section))
    assert {"report.md", "members.csv", "predictions.npz", "run.json", "figures/"} <= named
    for name in named:
        assert (left_alone / name).exists(), name
    assert list((left_alone / "figures").iterdir())
    assert [path.name for path in left_alone.iterdir() if path.name.startswith(".")] == [".lock"]


def test_what_comes_back_reads_the_folder(left_alone, sweep):
    run = jaxreg.Run(left_alone)
    assert list(run.members["member"]) == [member.id for member in members(sweep)]
    assert run.report.startswith("# small: ")
    assert run.verdict in run.report.replace("**", "").replace("`", "")
    assert set(run.decomposition["cell"]) == {"first", "second", "stops", "l1"}
    assert set(run.figures) == {path.stem for path in (left_alone / "figures").iterdir()}
    for name, said in (
        ("quantities", 'has no table "quantities": only a run of several quantities has one. It has calibration, choi'),
        ("looks", 'has no table "looks": only a run that settles has one. It has calib'),
        ("member", 'has no table "member". Did you mean `members`? It has calibration, choices, classes, '),
    ):
        with pytest.raises(UserError, match=re.escape(said)):
            run.table(name)


def test_a_run_is_of_a_folder_that_is_there(tmp_path):
    with pytest.raises(UserError, match="gone is not a folder. Expected the folder of a run"):
        jaxreg.Run(tmp_path / "gone")
    with pytest.raises(UserError, match="members.csv is missing: .* is not the folder of a finished run"):
        _ = jaxreg.Run(tmp_path).members


def test_the_early_stopper_stops(left_alone):
    """Else the tests below would not be about early stopping."""
    rows = jaxreg.Run(left_alone).members.set_index("cell")
    assert rows.loc["stops", "stopped_at"].notna().any() and rows.loc["first", "stopped_at"].isna().all()


def test_run_again_trains_nothing_and_changes_no_table(finished_folder, left_alone, sweep, dataset, untrained):
    before = training.traces.copy()
    jaxreg.run(sweep, out=finished_folder, dataset=dataset, devices=2, block=1)
    assert training.traces == before
    assert differing(tables(finished_folder), tables(left_alone)) == []
    for name in ("members.csv", *(f"figures/{path.name}" for path in left_alone.glob("figures/*"))):
        assert (finished_folder / name).read_bytes() == (left_alone / name).read_bytes(), name
    # The page says when and for how long it ran, and what to type to write it again.
    pages = [folder.joinpath("report.md").read_text().splitlines() for folder in (finished_folder, left_alone)]
    changed = [now for now, before in zip(*pages, strict=True) if now != before]
    assert all(line.startswith(("- when: ", "- time: ", "`python -m jaxreg.report ")) for line in changed), changed
    kept, was = (json.loads((folder / "run.json").read_text()) for folder in (finished_folder, left_alone))
    now = ("finished", "report_seconds", "run_seconds")
    assert kept["files"] == was["files"] and "members.csv" in kept["files"]
    assert {key: kept[key] for key in kept if key not in now} == {key: was[key] for key in was if key not in now}


@pytest.mark.slow
def test_run_again_needs_no_jax(finished_folder, left_alone):
    code = """
import sys
sys.modules["jax"] = None
import jaxreg
from jaxreg.data import fashion
from jaxreg.data.dataset import subset
sweep = jaxreg.load(sys.argv[1])
jaxreg.run(sweep, out=sys.argv[2], dataset=subset(fashion.load(), 20, 10))
"""
    from jaxreg.spec.load import read

    stored = read(json.loads((left_alone / "run.json").read_text())["sweep"])
    file = finished_folder.parent / "small.toml"
    file.write_text(stored.to_toml(), encoding="utf-8")
    started = [sys.executable, "-c", code, str(file), str(finished_folder)]
    done = subprocess.run(started, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert differing(tables(finished_folder), tables(left_alone)) == []


def test_stopped_after_the_first_chunk_and_gone_on_with(left_alone, sweep, dataset, tmp_path, no_report):
    """The predecessor is on disk, the member that goes on from it is trained by the second run."""
    said = stopped(sweep, dataset, tmp_path / "run", chunks=1)
    assert "2 of 8 members are finished" in said and str(tmp_path / "run") in said
    assert on_disk(tmp_path / "run") == FIRST_CHUNK
    assert not (tmp_path / "run" / "members.csv").exists()
    jaxreg.run(sweep, out=tmp_path / "run", dataset=dataset, devices=2, block=1)
    assert differing(tables(tmp_path / "run"), tables(left_alone)) == []


def test_stopped_after_every_chunk(left_alone, sweep, dataset, tmp_path, no_report):
    counts = []
    for _ in range(3):
        stopped(sweep, dataset, tmp_path / "run", chunks=1)
        counts.append(len(on_disk(tmp_path / "run")))
    assert counts == [2, 4, 6]
    run = jaxreg.run(sweep, out=tmp_path / "run", dataset=dataset, devices=2, block=1)
    assert differing(tables(run.folder), tables(left_alone)) == []


def test_going_on_side_by_side_changes_nothing(small, dataset, tmp_path, no_report):
    """Above block 1, too, whoever falls into which chunk: five are missing when the second run begins."""
    sweep = small(l1=[0.0, 1e-4, 1e-3], seeds=2)
    alone = jaxreg.run(sweep, out=tmp_path / "alone", dataset=dataset, devices=2, block=2).folder
    stopped(sweep, dataset, tmp_path / "run", chunks=2, block=2)
    gone = sorted((tmp_path / "run" / "members").glob("*.json"))[1]
    gone.unlink()
    run = jaxreg.run(sweep, out=tmp_path / "run", dataset=dataset, devices=2, block=2)
    assert differing(tables(run.folder), tables(alone)) == []
    assert json.loads((alone / "run.json").read_text())["blocks"] == {"8": "2 side by side: as asked for"}


def test_members_whose_files_are_gone_or_broken_are_trained_again(left_alone, sweep, dataset, tmp_path, no_report):
    """A predecessor among them, and one that stopped early."""
    stopped(sweep, dataset, tmp_path / "run", chunks=3)
    found = (tmp_path / "run" / "members").iterdir()
    files = {f"{file.name.partition('.')[0]}{file.suffix}": file for file in found if ".weights" not in file.name}
    assert len(files) == 12
    files["first_split0_seed0.npy"].unlink()
    files["stops_split1_seed0.json"].unlink()
    broken = files["l1_split0_seed0.npy"]
    broken.write_bytes(broken.read_bytes()[:1000])
    run = jaxreg.run(sweep, out=tmp_path / "run", dataset=dataset, devices=2, block=1)
    assert differing(tables(run.folder), tables(left_alone)) == []


@pytest.mark.parametrize("gone", ["predictions.npz", "history.csv", "members.csv", "run.json", "decomposition.csv"])
def test_what_is_gone_from_a_finished_folder_is_written_anew(
    finished_folder, left_alone, sweep, dataset, gone, untrained
):
    (finished_folder / gone).unlink()
    jaxreg.run(sweep, out=finished_folder, dataset=dataset)
    assert differing(tables(finished_folder), tables(left_alone)) == []
    assert (finished_folder / gone).exists()


@pytest.mark.parametrize("name", ["members.csv", "history.csv", "comparisons.csv"])
@pytest.mark.parametrize(
    "damage", [lambda text: text.replace("7", "8", 1), lambda text: text[: len(text) // 2], lambda text: ""]
)
def test_a_table_that_is_not_the_one_written_is_set_aside_and_written_anew(
    finished_folder, left_alone, sweep, dataset, untrained, no_report, capsys, name, damage
):
    changed = damage((finished_folder / name).read_text())
    (finished_folder / name).write_text(changed)
    jaxreg.run(sweep, out=finished_folder, dataset=dataset)
    assert f"{name} was changed after it was written" in capsys.readouterr().err
    assert (finished_folder / f"{name}.changed-1").read_text() == changed
    assert differing(tables(finished_folder), tables(left_alone)) == []


def test_without_run_json_other_settings_are_not_taken_for_these(finished_folder, small, dataset, tmp_path, no_report):
    """What deleting it once did: old numbers under new settings."""
    (finished_folder / "run.json").unlink()
    other = small(run=RUNS, batch_size=64)
    run = jaxreg.run(other, out=finished_folder, dataset=dataset, devices=2, block=1)
    alone = jaxreg.run(other, out=tmp_path / "alone", dataset=dataset, devices=2, block=1)
    assert differing(tables(run.folder), tables(alone.folder)) == []


def test_a_folder_of_another_sweep_is_refused_before_training(finished_folder, small, dataset, whole, untrained):
    files = {path: path.read_bytes() for path in finished_folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="holds another sweep(.|\n)*batch_size") as refused:
        jaxreg.run(small(run=RUNS, batch_size=64), out=finished_folder, dataset=dataset)
    assert "--out" in str(refused.value)
    other = dataset._replace(digest=whole.digest)
    with pytest.raises(UserError, match="other examples"):
        jaxreg.run(small(run=RUNS), out=finished_folder, dataset=other)
    assert {path: path.read_bytes() for path in finished_folder.rglob("*") if path.is_file()} == files


@pytest.mark.parametrize("calls", [1, 3, 4], ids=["predictions of the first", "the first", "predictions of the second"])
def test_ctrl_c_while_members_are_put_on_disk(left_alone, sweep, dataset, tmp_path, monkeypatch, calls, no_report):
    """All that were finished together are there in the end, and counted."""
    from jaxreg import files

    replace, count = files.os.replace, 0

    def interrupted(source, target):
        nonlocal count
        if "members" in Path(target).parts:
            count += 1
            if count == calls:
                raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", interrupted)
    with pytest.raises(Interrupted, match="2 of 8 members are finished"):
        jaxreg.run(sweep, out=tmp_path / "run", dataset=dataset, devices=2, block=1)
    assert on_disk(tmp_path / "run") == FIRST_CHUNK
    assert not list((tmp_path / "run" / "members").glob(".*")), "no temporary file stays"
    jaxreg.run(sweep, out=tmp_path / "run", dataset=dataset, devices=2, block=1)
    assert differing(tables(tmp_path / "run"), tables(left_alone)) == []


def test_ctrl_c_in_the_report(left_alone, finished_folder, sweep, dataset, monkeypatch, untrained):
    def interrupt(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(Interrupted, match="8 of 8 members are finished"):
        patched.setattr("jaxreg.report.page.write", interrupt)
        jaxreg.run(sweep, out=finished_folder, dataset=dataset)
    jaxreg.run(sweep, out=finished_folder, dataset=dataset)
    assert differing(tables(finished_folder), tables(left_alone)) == []


def test_what_a_stopped_run_spent_is_counted(sweep, dataset, tmp_path, no_report):
    def about():
        return json.loads((tmp_path / "run" / "run.json").read_text())

    stopped(sweep, dataset, tmp_path / "run", chunks=1)
    first = about()
    jaxreg.run(sweep, out=tmp_path / "run", dataset=dataset, devices=2, block=1)
    whole = about()
    assert whole["started"] == first["started"]
    for key in ("train_seconds", "run_seconds"):
        assert 0 < first[key] < whole[key]
    assert first["compile_seconds"] <= whole["compile_seconds"]


def test_the_command_is_what_was_passed_or_the_call(finished_folder, sweep, dataset, monkeypatch, untrained, no_report):
    monkeypatch.setattr(sys, "argv", ["/somewhere/else.py", "--secret"])

    def command(sweep, **passed):
        jaxreg.run(sweep, out=finished_folder, dataset=dataset, **passed)
        return json.loads((finished_folder / "run.json").read_text())["command"]

    assert command(sweep, command="jaxreg small.toml --quiet") == "jaxreg small.toml --quiet"
    assert command(sweep) == f"jaxreg.run(<Sweep small>, dataset=<Dataset {dataset.name}>)"
    file = finished_folder.parent / "small.toml"
    file.write_text(sweep.to_toml(), encoding="utf-8")
    assert command(file, keep_state=True).startswith(f"jaxreg.run({str(file)!r}, dataset=<Dataset fashion-mnist")
    assert command(file, keep_state=True).endswith(">, keep_state=True)")


def test_a_trainer_of_another_kind_gives_the_same_tables(
    left_alone, sweep, dataset, train, tmp_path, monkeypatch, no_report
):
    """It gives one at a time, from the last to the first, while the driver adds weights that others start from."""
    results = train(sweep)
    heard = []

    class Elsewhere:
        def __init__(self, *_):
            pass

        def facts(self):
            return {"platform": "elsewhere", "compile_seconds": 1.0, "train_seconds": 2.0}

        def made(self):
            return {"platform": "elsewhere"}

        def train(self, members, weights, states):
            assert {member.id for member in members} == set(results)
            for member in reversed(members):
                yield [results[member.id]]
                heard.append((member.id, set(weights)))

    monkeypatch.setattr("jaxreg.engine.trainer.Trainer", Elsewhere)
    run = jaxreg.run(sweep, out=tmp_path / "run", dataset=dataset)
    assert differing(tables(run.folder), tables(left_alone)) == []
    assert [name for name, _ in heard] == [member.id for member in reversed(members(sweep))]
    assert heard[-1][1] == FIRST_CHUNK, "the weights that others start from, and no others"
    about = json.loads((run.folder / "run.json").read_text())
    assert (about["platform"], about["compile_seconds"], about["train_seconds"]) == ("elsewhere", 1.0, 2.0)


def test_the_trainer_writes_nothing(sweep, train, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(StoredMembers, "keep", None)
    monkeypatch.setattr(Folder, "note", None)
    assert len(train(sweep)) == 8
    assert list(tmp_path.iterdir()) == []
