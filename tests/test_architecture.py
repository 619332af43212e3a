"""ARCHITECTURE.md says what the imports say; rooms stay small, and no module waits for itself."""

from collections import Counter

from tests import rooms

MOST_FILES = 15


def test_the_column_of_what_rooms_know_is_what_they_import() -> None:
    text = rooms.ARCHITECTURE.read_text()
    assert rooms.with_column(text) == text, "python -m tests.rooms --write"


def test_every_room_has_a_row() -> None:
    listed = rooms.listed_rooms(rooms.ARCHITECTURE.read_text())
    assert set(rooms.rooms()) - listed == set()


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = rooms.imports()
    # A package's own module gathers what its parts offer; only its parts are looked at.
    parts = {name: others for name, others in graph.items() if not rooms.is_package(name)}
    assert rooms.circles(parts) == []


def test_no_folder_has_more_files_than_a_glance_takes_in() -> None:
    counts = Counter(path.parent for path in rooms.modules().values())
    assert {str(folder): n for folder, n in counts.items() if n > MOST_FILES} == {}
