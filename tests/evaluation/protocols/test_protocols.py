"""Protocols as files, choices of frames, results as tables and JSON, refusals."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from glance3d.cli import main
from glance3d.errors import Glance3DError, InputError
from glance3d.evaluation.methods import METHODS, Method, Task, choose_methods, run_methods
from glance3d.evaluation.predictions import ScenePrediction
from glance3d.evaluation.protocols import (
    RunOptions,
    load_protocol,
    parse_protocol,
    protocol_names,
    run_protocol,
)
from glance3d.evaluation.protocols import protocol as protocol_module
from glance3d.evaluation.protocols.frames import FrameRule, with_middle_first
from glance3d.evaluation.protocols.layouts.table import LAYOUTS
from glance3d.evaluation.protocols.run import evaluation_scene
from glance3d.evaluation.protocols.truth import ListedScene, TrueScene
from glance3d.images import Preprocessing
from glance3d.pass_options import PassOptions
from glance3d.types import Cameras
from tests.evaluation.protocols import drawn
from tests.evaluation.protocols.fake import first_turned

DEFINITIONS = Path(protocol_module.__file__).parent / "definitions"


def text_of(name: str) -> str:
    return (DEFINITIONS / f"{name}.toml").read_text(encoding="utf-8")


def listed(name: str, count: int) -> ListedScene:
    def read(chosen):
        raise AssertionError

    return ListedScene(name, tuple(f"f{n}" for n in range(count)), read)


@pytest.mark.parametrize("name", protocol_names())
def test_what_a_table_shows_is_measured(name):
    protocol = load_protocol(name)
    cameras = Cameras(torch.eye(3, 4)[None], torch.eye(3)[None], torch.tensor([[4, 4]]))
    truth = TrueScene("one", (Path("a.png"),), cameras)
    prediction = ScenePrediction(cameras.cam_from_world, cameras.intrinsics, ())
    measured = {key for m in protocol.measures for key in m.score(prediction, truth)}
    shown = {column.name for column in protocol.columns}
    published = {key for row in protocol.published for key in row.values}
    assert shown <= measured
    assert published <= shown
    assert all(value > 0 for row in protocol.published for value in row.values.values())
    assert all(
        value < 1
        for row in protocol.published
        for key, value in row.values.items()
        if key.startswith("pose_auc")
    )
    assert protocol.sources
    assert protocol.differs


def test_help_and_docs_name_every_protocol(capsys):
    assert main(["evaluate", "--help"]) == 0
    shown = capsys.readouterr().out
    docs = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    for name in protocol_names():
        assert name in shown
        assert f"`{name}`" in docs


def test_the_hash_is_of_the_text_whatever_ends_its_lines():
    text = text_of("re10k-10")
    first = parse_protocol(text, "re10k-10")
    assert parse_protocol(text.replace("\n", "\r\n"), "re10k-10").sha256 == first.sha256
    other = parse_protocol(text.replace("count = 10", "count = 8"), "re10k-10")
    assert other.sha256 != first.sha256
    assert other.frames.count == 8


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("seed = 0", "sed = 0", "FrameRule has no sed"),
        ('kind = "pose-auc"', 'kind = "pose-acu"', "pose-acu"),
        ('rule = "draw"', 'rule = "drew"', "rule must be one of"),
        ('area = "bins"', 'area = "beans"', "area must be"),
        ("version = 1", "", "version"),
        ('layout = "re10k"', 'layout = "re11k"', "known layout"),
        ("[frames]", "[frames", "no protocol that Glance3D can read"),
    ],
)
def test_a_file_that_is_no_protocol_is_refused(before, after, said):
    text = text_of("re10k-10")
    assert before in text
    with pytest.raises(InputError, match=said):
        parse_protocol(text.replace(before, after), "re10k-10")


def test_versions_are_those_that_are_here():
    assert load_protocol("dtu-22@1").version == 1
    with pytest.raises(InputError, match="is here as version 1, got '2'"):
        load_protocol("dtu-22@2")
    with pytest.raises(InputError, match=r"must be one of 7-scenes-11, .* got 'dtu'"):
        load_protocol("dtu")


def test_frames_by_rule():
    scene = listed("a", 25)
    assert FrameRule("every", step=11).choose(scene) == [0, 11, 22]
    assert FrameRule("evenly", count=4).choose(scene) == [0, 6, 12, 18]
    assert FrameRule("span", start=20, count=9).choose(scene) == [20, 21, 22, 23, 24]
    assert FrameRule("all", first="middle").choose(listed("a", 4)) == [2, 0, 1, 3]
    assert with_middle_first([]) == []
    drawn_frames = FrameRule("draw", count=5).choose(scene)
    # Pinned: a draw that changes makes old numbers incomparable.
    assert drawn_frames == [0, 5, 13, 18, 20]
    assert FrameRule("draw", count=5).choose(listed("b", 25)) != drawn_frames
    assert FrameRule("draw", count=26).choose(scene) == []


def test_a_list_of_frames_takes_the_place_of_the_rule(fake, tmp_path):
    drawn.write_eth3d(tmp_path / "data", "facade", drawn.toy(5))
    drawn.write_eth3d(tmp_path / "data", "meadow", drawn.toy(3))
    names = [f"dslr_images_undistorted/DSC_{n:04d}.png" for n in (3, 1, 4)]
    file = tmp_path / "frames.json"
    file.write_text(json.dumps({"facade": names}))
    result = fake.run("eth3d-100", tmp_path / "data", options=RunOptions(frames=file))
    assert [scene.frames for scene in result.scenes] == [tuple(names)]
    assert result.left_out == ("meadow",)
    record = result.to_dict()
    assert record["as_defined"] is False
    assert len(record["frame_list_sha256"]) == 64
    assert "Not the protocol as defined: frames by a list" in result.to_table()
    file.write_text(json.dumps({"facade": ["DSC_0003.png"]}))
    with pytest.raises(InputError, match=r"'DSC_0003.png' of facade, .*called as 'dslr_images"):
        fake.run("eth3d-100", tmp_path / "data", options=RunOptions(frames=file))
    file.write_text(json.dumps({"facade": 3}))
    with pytest.raises(InputError, match="a list of names of frames"):
        fake.run("eth3d-100", tmp_path / "data", options=RunOptions(frames=file))


@pytest.mark.parametrize("name", LAYOUTS)
def test_missing_data_says_which_folder_was_wanted(name, tmp_path):
    layout = LAYOUTS[name]
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(Glance3DError) as error:
            layout.list_scenes(folder)
        assert layout.wanted in str(error.value)
        assert str(folder) in str(error.value)


def test_a_result_says_what_it_is_of(fake, tmp_path):
    drawn.write_eth3d(tmp_path, "facade", drawn.toy(5))
    drawn.write_eth3d(tmp_path, "meadow", drawn.toy(3))
    options = RunOptions(max_frames=4)
    result = fake.run("eth3d-100", tmp_path, first_turned(10.5), options=options)
    record = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    protocol = load_protocol("eth3d-100")
    assert record["protocol"]["name"] == "eth3d-100"
    assert record["protocol"]["version"] == protocol.version
    assert record["protocol"]["sha256"] == protocol.sha256
    assert [one["kind"] for one in record["protocol"]["measures"]] == ["pose-auc", "trajectory"]
    assert record["deviations"] == ["at most 4 frames of a scene"]
    assert [len(scene["frames"]) for scene in record["scenes"]] == [4, 3]
    macro, micro = (record["methods"]["fake"][mean] for mean in ("macro", "micro"))
    assert macro["pose_auc_at_3deg"] == pytest.approx((3 / 6 + 1 / 3) / 2)
    assert micro["pose_auc_at_3deg"] == pytest.approx(4 / 9)
    # Another choice of frames has another hash.
    again = fake.run("eth3d-100", tmp_path, options=RunOptions(max_frames=3))
    assert again.frames_sha256 != result.frames_sha256


def test_theirs_and_re_run_here_stand_side_by_side(fake, tmp_path):
    drawn.write_eth3d(tmp_path, "facade", drawn.toy(5))
    result = replace(fake.run("eth3d-100", tmp_path, first_turned(10.5)), model="vggt-1b")
    lines = result.to_table().splitlines()
    theirs = next(line for line in lines if "VGGT-1B" in line)
    # Which mean a published number is, is not said: it stands under the first column alone.
    assert theirs.split()[:6] == ["VGGT-1B", "[1]", "26.3", "-", "80.8", "-"]
    ours = next(line for line in lines if line.startswith("  fake"))
    assert ours.split()[:5] == ["fake", "60.0", "60.0", "86.7", "86.7"]
    assert any(line.startswith("[1] Depth Anything 3") for line in lines)
    as_network = replace(result, methods=("network",))
    assert as_network._label("network") == "VGGT-1B, re-run here"
    rows = {row["model"]: row["re_run_here"] for row in result.to_dict()["published"]}
    assert rows["VGGT-1B"]
    assert not rows["Pi3"]


def test_a_network_is_measured_from_the_command_line(tiny_weights, tmp_path, capsys):
    drawn.write_seven_scenes(tmp_path / "data", "chess", 3, drawn.toy(23))
    words = ["evaluate", "--model", str(tiny_weights), "--device", "cpu"]
    words += ["--protocol", "7-scenes-11@1", "--data", str(tmp_path / "data")]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "1 scenes, 3 frames" in printed
    assert (tmp_path / "out" / "evaluation.txt").read_text() == printed
    record = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert record["model"] == "tiny"
    numbers = record["methods"]["network"]["macro"]
    assert 0 <= numbers["pose_auc_at_30deg"] <= 1
    assert numbers["ate_rmse_sim3_aligned"] >= 0
    assert numbers["point_completeness_mean"] > 0
    assert record["methods"]["trivial"]["macro"]["posed_share"] == 1
    predictions = tmp_path / "out" / "predictions"
    places = sorted(path.relative_to(predictions) for path in predictions.rglob("*.npz"))
    methods = ("network", "trivial")
    assert places == [Path(name, "7-scenes-11", "chess-seq-03.npz") for name in methods]


def test_a_run_that_was_stopped_goes_on_from_the_scenes_that_were_done(
    model, tmp_path, monkeypatch
):
    data, out = tmp_path / "data", tmp_path / "out"
    for name in ("courtyard", "facade", "office"):
        drawn.write_eth3d(data, name, drawn.toy(3))
    made: list[str] = []
    stop_at = "office"

    def predict(task: Task) -> ScenePrediction:
        if task.scene.name == stop_at:
            raise KeyboardInterrupt
        made.append(task.scene.name)
        return ScenePrediction(task.scene.cameras.cam_from_world, task.scene.cameras.intrinsics, ())

    monkeypatch.setitem(METHODS, "fake", Method("fake", "the truth", predict))

    def run(folder: Path, options: RunOptions | None = None):
        protocol = load_protocol("eth3d-100")
        return run_protocol(model, protocol, data, folder, methods=["fake"], options=options)

    with pytest.raises(KeyboardInterrupt) as stopped:
        run(out)
    assert "2 predictions are kept in" in stopped.value.__notes__[0]
    assert not list(out.glob("fake"))
    # What depends on another photo or on other options is made again.
    drawn.write_picture(data / "facade" / "images" / "dslr_images_undistorted" / "DSC_0000.png", 9)
    made.clear()
    with pytest.raises(KeyboardInterrupt):
        run(out, RunOptions(passes=PassOptions(window=2)))
    assert made == ["courtyard", "facade"]
    made.clear()
    stop_at = ""
    result = run(out)
    assert made == ["facade", "office"]
    assert [path.name for path in out.glob("fake/eth3d-100/*")] != []
    assert not list(out.glob(".glance3d-unfinished/*"))
    again = run(tmp_path / "at once")
    assert result.macro("fake") == again.macro("fake")
    assert [one.name for one in result.scenes] == ["courtyard", "facade", "office"]


def test_the_network_sees_windows_where_it_is_told_to(model, tmp_path):
    drawn.write_nrgbd(tmp_path, "kitchen", drawn.toy(4))
    (listed_scene,) = load_protocol("nrgbd-50").layout.list_scenes(tmp_path)
    fit = Preprocessing(mode="fit", max_pixels=70 * 70, patch_size=14)
    scene = evaluation_scene(listed_scene.read([0, 1, 2, 3]), fit)
    network = choose_methods(["network"])
    ((_, whole),) = run_methods(model, scene, network, keep_depth=False)
    options = RunOptions(passes=PassOptions(window=3))
    ((_, joined),) = run_methods(model, scene, network, options.passes, keep_depth=False)
    assert whole.depth == ()
    assert not torch.equal(whole.cam_from_world, joined.cam_from_world)
    assert options.deviations == ("the network sees 3 frames at a time",)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--protocol", "dtu-22"], "dtu-22 needs its data: name a folder with scanN/images/"),
        (["--data", "somewhere"], "name it with --protocol"),
        (["a_set", "--protocol", "dtu-22", "--data", "b"], "a protocol is measured alone"),
        (["--protocol", "dtu-22", "--data", "b", "--window", "4"], "a protocol is measured alone"),
        (["--protocol", "dtu", "--data", "b"], "protocol must be one of"),
    ],
)
def test_what_makes_no_sense_with_a_protocol_is_refused(words, said, capsys):
    assert main(["evaluate", *words]) == 2
    assert said in capsys.readouterr().err


def test_scenes_and_frames_that_cannot_be_are_refused(fake, tmp_path):
    drawn.write_sintel(tmp_path, "alley_2", drawn.toy(1))
    with pytest.raises(InputError, match=r"scenes must be some of alley_2, .* got alley_9"):
        fake.run("sintel-pose", tmp_path, options=RunOptions(scenes=("alley_9",)))
    with pytest.raises(Glance3DError, match=r"no scene of .* has the frames .*: it has alley_2"):
        fake.run("sintel-pose", tmp_path)
    with pytest.raises(InputError, match="max frames must be 2 or more, got 1"):
        fake.run("sintel-pose", tmp_path, options=RunOptions(max_frames=1))


def test_depth_of_another_size_is_refused(fake, tmp_path):
    drawn.write_nrgbd(tmp_path, "kitchen", drawn.toy(4))
    drawn.write_depth(tmp_path / "kitchen" / "depth" / "depth2.png", torch.ones(30, 40), 1000)
    with pytest.raises(Glance3DError, match=r"img2.png must be .* 32 x 24, got 40 x 30"):
        fake.run("nrgbd-50", tmp_path, depth=lambda view: torch.ones(24, 32))


CAM = "training/camdata_left/a/frame_0001.cam"


@pytest.mark.parametrize(
    ("write", "spoil", "protocol", "said"),
    [
        (drawn.write_re10k, ("cameras/a.txt", "x\n1000 1 2\n"), "re10k-10", "line 2 of .*a.txt"),
        (drawn.write_sintel, (CAM, "PIE?" * 43), "sintel-depth", "Sintel's tag"),
        (drawn.write_sintel, (CAM, "PIEH"), "sintel-depth", "21 numbers"),
        (drawn.write_re10k, ("cameras/a.txt", "1000 " + 18 * "x "), "re10k-10", "line 1 of"),
        (drawn.write_nrgbd, ("a/poses.txt", "1 2 3"), "nrgbd-50", "4 rows for each of 10 pictures"),
        (drawn.write_nrgbd, ("a/focal.txt", "\n"), "nrgbd-50", "focal length in pixels"),
    ],
)
def test_damaged_files_are_named(fake, tmp_path, write, spoil, protocol, said):
    write(tmp_path, "a", drawn.toy(10))
    file, text = spoil
    (tmp_path / file).write_text(text)
    with pytest.raises(Glance3DError, match=said):
        fake.run(protocol, tmp_path)
