"""By HTTP: what is made, what is shown, and what is refused in one sentence."""

import io
import json
import socket
import time
import zipfile
from urllib.parse import urlsplit

import pytest

from glance3d.service.http.app import DOCUMENT, ENDPOINTS
from glance3d.service.jobs.limits import Limits
from glance3d.service.options import ServiceOptions
from glance3d.service.serve import running_server
from tests.conftest import PATIENCE
from tests.service.servers import Client, form, served


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def client(root):
    limits = Limits(job_bytes=200_000, job_files=5, idle_seconds=0.3)
    with served(root, limits) as client:
        yield client


def test_the_address_is_told_when_it_can_be_opened(tmp_path):
    reached = []
    with running_server(ServiceOptions(tmp_path, port=0)) as (server, address):

        def reach() -> None:
            server.should_exit = True
            with socket.create_connection(("127.0.0.1", urlsplit(address).port)):
                reached.append(address)

        server.on_listening = reach
        server.run()
    assert reached == [address]


def test_photos_become_a_job_and_its_result_is_downloaded(client):
    settings = {"refine": False, "formats": ["tum", "tum"]}
    job = client.make("a.png", "b.png", settings=json.dumps(settings))
    assert (job["name"], job["files"], job["bytes"]) == ("a", 2, 20)
    done = client.wait(job["id"], "done", "failed")
    assert done["settings"] == {"model": "glance-small", "refine": False, "formats": ["tum"]}
    assert done["result"] == {"photos": 2, "verdicts": {"good": 2}}
    assert [one["name"] for one in done["downloads"]] == ["all.zip", "scene.html", "points.ply"]
    path = f"/api/jobs/{job['id']}"
    assert client.get(f"{path}/files/points.ply").body == b"ply" * 1000
    packed = client.get(f"{path}/files/all.zip")
    assert packed.headers["content-disposition"] == 'attachment; filename="a-all.zip"'
    with zipfile.ZipFile(io.BytesIO(packed.body)) as archive:
        assert sorted(archive.namelist()) == ["points.ply", "scene.html"]
        assert archive.testzip() is None
    scene = client.get(f"{path}/scene?theme=dark")
    assert scene.body.startswith(b'<!doctype html>\n<html data-theme="dark" lang="en">whole')
    assert scene.headers["content-security-policy"].startswith("sandbox allow-scripts;")
    assert client.get(f"{path}/log").body == b"one\ntwo\nthree"
    assert client.get("/api/jobs").json["jobs"][0]["id"] == job["id"]


def test_a_job_is_cancelled_made_again_and_removed(client, root):
    job = client.make("slow.png")
    path = f"/api/jobs/{job['id']}"
    waiting = client.make("a.png")
    assert client.get(f"/api/jobs/{waiting['id']}").json["place"] == 1
    client.wait(job["id"], "running")
    assert client.ask("POST", f"{path}/cancel").json["state"] == "cancelled"
    client.wait(waiting["id"], "done")
    assert client.ask("POST", f"{path}/restart").json["state"] in ("queued", "running")
    client.wait(job["id"], "running")
    assert client.ask("DELETE", path).status == 204
    assert client.get(path).status == 404
    assert not (root / "jobs" / job["id"]).exists()


def test_events_tell_a_job_until_it_is_over(client):
    job = client.make("a.png")
    answer = client.get(f"/api/jobs/{job['id']}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in answer.body.decode().split("\n\n") if line]
    assert events[-1]["jobs"][0]["state"] == "done"


def test_the_document_names_every_endpoint_and_its_schemas(client):
    document = client.get("/openapi.json").json
    listed = {(method.upper(), path) for path, one in document["paths"].items() for method in one}
    assert listed == {(one.method, one.path) for one in (*ENDPOINTS, DOCUMENT)}
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    for reference in text.split('"#/components/schemas/')[1:]:
        assert reference.partition('"')[0] in schemas
    job = client.make("a.png")
    assert set(job) == set(schemas["Job"]["properties"])
    assert set(client.get("/api/server").json) == set(schemas["Server"]["properties"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('{"model": "vggt-1b"}', "model must be one of glance-small"),
        ('{"model": "../../weights.pt"}', "model must be one of"),
        ('{"formats": ["exe"]}', "formats must be of"),
        ('{"views": 0}', "views must be a whole number"),
        ('{"weights": "x"}', "settings must be of"),
        ('{"refine": "yes"}', "the setting refine must be true or false or null, got a str"),
        ('{"max_pixels": 1e999}', "max_pixels must be a whole number or null, got a float"),
        ('{"formats": "ply"}', "formats must be a list, got a str"),
        ("[]", "must hold a JSON object"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_settings_that_cannot_be_followed_are_refused(client, settings, words):
    before = len(client.get("/api/jobs").json["jobs"])
    answer = client.send(
        "/api/jobs", ("files", "a.png", b"x"), ("settings", None, settings.encode())
    )
    assert answer.status == 400
    assert words in answer.json["error"]
    assert len(client.get("/api/jobs").json["jobs"]) == before


@pytest.mark.parametrize(
    ("parts", "status", "words"),
    [
        ([("files", "a.exe", b"x")], 400, "photos, clips or zips"),
        ([("files", "a.png", bytes(300_000))], 413, "at most 0.0002 GB"),
        ([("files", "a.png", bytes(9_000_000))], 413, "at most 0.0002 GB"),
        ([("files", f"{i}.png", b"x") for i in range(6)], 413, "at most 5 files"),
        ([], 400, "at least one photo"),
        ([("x", None, bytes(100_000))], 413, "too long"),
        ([("files", f"{'x' * 5000}.png", b"x")], 400, "short headers"),
    ],
)
def test_uploads_that_cannot_be_taken_leave_nothing(client, root, parts, status, words):
    before = sorted((root / "jobs").iterdir())
    answer = client.send("/api/jobs", *parts)
    assert (answer.status, words in answer.json["error"]) == (status, True), answer
    assert sorted((root / "jobs").iterdir()) == before


def test_names_that_lead_elsewhere_stay_in_the_job(client, root):
    job = client.make("../../../evil.png", "/etc/passwd.jpg", "..\\..\\evil.png")
    names = sorted(path.name for path in (root / "jobs" / job["id"] / "inputs").iterdir())
    assert names == ["evil-2.png", "evil.png", "passwd.jpg"]
    assert not (root.parent / "evil.png").exists()


@pytest.mark.parametrize(
    "path",
    [
        "/static/../index.html",
        "/static/%2e%2e%2fstore.py",
        "/static/..%5c..%5cstore.py",
        "/api/jobs/{id}/files/../job.json",
        "/api/jobs/{id}/files/%2e%2e%2fjob.json",
        "/api/jobs/{id}/files/job.json",
        "/api/jobs/..%2f..%2ftoken/log",
        "/api/jobs/{id}/scene/../../x",
        "//etc/passwd",
        "/task/{id}/download/%2fetc%2fpasswd",
    ],
)
def test_no_path_leads_out(client, path):
    job = client.make("a.png")
    client.wait(job["id"], "done")
    answer = client.get(path.format(id=job["id"]))
    assert answer.status == 404 or "no such file" in answer.json["error"], answer


def _raw(client: Client, content: bytes, *, end: bool) -> bytes:
    """What the server answers to bytes of a request, after which nothing comes."""
    with socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE) as connection:
        connection.sendall(content)
        if end:
            connection.shutdown(socket.SHUT_WR)
        return connection.recv(100_000)


def _head(client: Client, kind: str, length: int) -> bytes:
    lines = [
        "POST /api/jobs HTTP/1.1",
        f"Host: 127.0.0.1:{client.port}",
        f"Content-Type: {kind}",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def test_an_upload_that_is_cut_off_leaves_nothing(client, root):
    before = sorted((root / "jobs").iterdir())
    body, kind = form(("files", "a.png", bytes(50_000)))
    _raw(client, _head(client, kind, len(body)) + body[:20_000], end=True)
    deadline = time.monotonic() + PATIENCE
    while sorted((root / "jobs").iterdir()) != before:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    short = body[: len(body) // 2]
    answer = client.ask("POST", "/api/jobs", short, Content_Type=kind)
    assert (answer.status, "cut off" in answer.json["error"]) == (400, True)
    assert sorted((root / "jobs").iterdir()) == before


def test_a_client_that_sends_nothing_more_is_given_up(client, root):
    before = sorted((root / "jobs").iterdir())
    body, kind = form(("files", "a.png", bytes(50_000)))
    answer = _raw(client, _head(client, kind, len(body)) + body[:20_000], end=False)
    assert b" 408 " in answer.splitlines()[0]
    assert sorted((root / "jobs").iterdir()) == before


def test_what_is_not_installed_is_not_offered(client, monkeypatch):
    monkeypatch.setattr("glance3d.service.options.can_refine", lambda: False)
    answer = client.send("/api/jobs", ("settings", None, b'{"refine": true}'), ("f", "a.png", b"x"))
    assert (answer.status, "cannot refine" in answer.json["error"]) == (400, True)
    assert client.make("a.png")["settings"]["refine"] is False


def test_an_upload_of_unknown_length_is_refused(client):
    _, kind = form()
    head = f"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    answer = _raw(client, f"{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode(), end=False)
    assert b" 411 " in answer.splitlines()[0]


def test_what_is_not_there_is_one_sentence(client):
    for path in ("/nothing", "/api/jobs/none", "/static/none.js"):
        answer = client.get(path)
        assert (answer.status, list(answer.json)) == (404, ["error"])
    assert client.ask("POST", "/health").status == 405


def test_a_disk_that_is_full_of_jobs_takes_no_more(tmp_path):
    with served(tmp_path, Limits(disk_bytes=30_000)) as client:
        answer = client.send("/api/jobs", ("files", "a.png", bytes(40_000)))
        assert (answer.status, "remove jobs" in answer.json["error"]) == (507, True)
