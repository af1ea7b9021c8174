"""The directory: nothing outside of it and nothing of others is touched, and no step is half."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from isgware.errors import ConfigurationError, ExportError
from isgware.export.tree import Held, InTheWay, Tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "tree"


def held(path: str, file: str) -> Held:
    return Held(path, file, "d", {"": 1})


def fill(root: Path, *files: str) -> None:
    """A finished export of one-byte pages."""
    with Tree(root) as tree:
        for file in files:
            tree.put(file, {"": b"x"})
        tree.finish("http://site", [held("/" + file, file) for file in files])


# Whose directory it is.


def test_a_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "b", "c.txt")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == b"x"


def test_a_directory_of_others_is_refused_unless_forced(root: Path) -> None:
    root.mkdir()
    (root / "mine.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"is not empty.*--force"), Tree(root):
        pass
    assert os.listdir(root) == ["mine.txt"]
    with Tree(root, force=True) as tree:
        tree.put("a.txt", {"": b"x"})
        tree.finish("", [])
    fill(root)  # from now on it is known
    assert (root / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("kind", ["file", "own"])
def test_what_is_no_directory_is_refused(root: Path, tmp_path: Path, kind: str) -> None:
    if kind == "file":
        root.write_text("")
    else:
        root.mkdir()
        (root / ".isgware-export").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="Cannot export to"), Tree(root):
        pass


def test_two_exports_at_once_are_told(root: Path) -> None:
    with Tree(root), pytest.raises(ExportError, match="Another export is at work"), Tree(root):
        pass
    fill(root)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format": 2}', '{"format": 1, "pages": [["/a"]]}',
             '{"format": 1, "pages": 3}',
             '{"format": 1, "pages": [["/a", "../a", "", {"": 1}]]}',
             '{"format": 1, "pages": [["/a", ".isgware-export/lock", "", {"": 1}]]}',
             '{"format": 1, "pages": [["/a", "/etc/passwd", "", {"": 1}]]}',
             '{"format": 1, "pages": [["/a", "a", "", {"/../../b": 1}]]}'],
)  # fmt: skip
def test_a_damaged_manifest_is_told_and_removes_nothing(root: Path, text: str) -> None:
    fill(root, "a.txt")
    (root / ".isgware-export" / "manifest").write_text(text)
    with pytest.raises(ConfigurationError, match="damaged"), Tree(root):
        pass
    with Tree(root, force=True) as tree:
        assert tree.leftovers([]) == []
    assert (root / "a.txt").exists()


# Other people's files, and the world outside.


def test_a_file_of_others_is_left_alone(root: Path) -> None:
    fill(root)
    (root / "a.txt").write_text("mine")
    with Tree(root) as tree:
        with pytest.raises(InTheWay):
            tree.put("a.txt", {"": b"x"})
        tree.remove("a.txt")
    assert (root / "a.txt").read_text() == "mine"
    with Tree(root, force=True) as tree:
        tree.put("a.txt", {"": b"x"})
    assert (root / "a.txt").read_text() == "x"


@pytest.mark.parametrize("force", [False, True])
def test_symbolic_links_are_not_followed(root: Path, tmp_path: Path, force: bool) -> None:
    fill(root, "inner/a.txt")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.txt").write_text("outside")
    (root / "inner/a.txt").unlink()
    (root / "inner").rmdir()
    (root / "inner").symlink_to(outside)
    (root / "link.txt").symlink_to(outside / "a.txt")
    with Tree(root, force=force) as tree:
        with pytest.raises(InTheWay):
            tree.put("inner/b.txt", {"": b"x"})
        assert not tree.holds(held("/a", "inner/a.txt"), held("/a", "inner/a.txt"))
        tree.remove("inner/a.txt")
        if force:  # the link itself is replaced
            tree.put("link.txt", {"": b"x"})
            assert not (root / "link.txt").is_symlink()
    assert {file.name: file.read_text() for file in outside.iterdir()} == {"a.txt": "outside"}


def test_the_directory_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    root.symlink_to(tmp_path / "real")
    fill(root, "a.txt")
    assert (tmp_path / "real" / "a.txt").exists()


def test_a_directory_in_place_of_a_file_of_ours_is_left_alone(root: Path) -> None:
    fill(root, "a.txt")
    (root / "a.txt").unlink()
    (root / "a.txt").mkdir()
    (root / "a.txt" / "mine").write_text("mine")
    with Tree(root) as tree:
        with pytest.raises(InTheWay):
            tree.put("a.txt", {"": b"x"})
        tree.remove("a.txt")
    assert (root / "a.txt" / "mine").exists()


# Files and directories that change places.


def test_a_file_of_ours_gives_way_to_a_directory_and_back(root: Path) -> None:
    fill(root, "x/feed.xml")
    with Tree(root) as tree:
        tree.put("x/feed.xml/more/index.html", {"": b"x"})
        tree.finish("", [held("/m", "x/feed.xml/more/index.html")])
    assert (root / "x/feed.xml/more/index.html").exists()
    with Tree(root) as tree:
        tree.put("x/feed.xml", {"": b"y"})
        assert tree.leftovers([held("/", "x/feed.xml")]) == []
    assert (root / "x/feed.xml").read_bytes() == b"y"


def test_removing_leaves_no_empty_directory_and_no_full_one_goes(root: Path) -> None:
    fill(root, "a/b/c/one.txt", "a/two.txt")
    with Tree(root) as tree:
        tree.remove("a/b/c/one.txt")
        assert os.listdir(root / "a") == ["two.txt"]
        tree.remove("a/two.txt")
    assert os.listdir(root) == [".isgware-export"]


def test_what_cannot_be_removed_is_not_forgotten(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(root, "a.txt")

    def refuse(*args: object, **keywords: object) -> None:
        raise PermissionError(13, "Permission denied")

    with Tree(root) as tree:
        monkeypatch.setattr(os, "unlink", refuse)
        with pytest.raises(PermissionError):
            tree.remove("a.txt")
        monkeypatch.undo()
    with Tree(root) as tree:
        assert tree.leftovers([]) == ["a.txt"]


# Broken off.


def test_what_was_written_before_a_crash_is_known_as_ours(root: Path) -> None:
    fill(root, "old.txt")
    with Tree(root) as tree:
        tree.put("old.txt", {"": b"y"})
        tree.put("new/a.txt", {"": b"x"})  # and then the process is killed
    with Tree(root) as tree:
        assert tree.leftovers([]) == ["new/a.txt", "old.txt"]
        assert tree.held["/old.txt"].digest == ""  # what the manifest says of it is not so
        for name in tree.leftovers([held("/old.txt", "old.txt")]):
            tree.remove(name)
        tree.finish("", [held("/old.txt", "old.txt")])
    assert not (root / "new").exists()


def test_a_line_that_was_cut_off_names_nothing(root: Path) -> None:
    fill(root)
    (root / "old").write_text("mine")
    journal = root / ".isgware-export" / "journal"
    journal.write_bytes(b"\xff\n../x\n/etc/passwd\n.isgware-export/lock\nold")
    with Tree(root) as tree:
        assert tree.leftovers([]) == []


def test_no_file_is_ever_seen_half_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(root, "a.txt")
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 100:
            return write(descriptor, data[:100])
        raise OSError(28, "No space left on device")

    with Tree(root) as tree:
        tree._note("a.txt")
        monkeypatch.setattr(os, "write", lambda fd, data: full(fd, bytes(data)))
        monkeypatch.setattr(tree, "_note", lambda name: None)
        with pytest.raises(OSError, match="No space left"):
            tree.put("a.txt", {"": b"y" * 150})
        monkeypatch.undo()
    assert (root / "a.txt").read_bytes() == b"x"


def test_no_two_versions_share_a_second(root: Path) -> None:
    fill(root)
    with Tree(root) as tree:
        seen = []
        for body in (b"a", b"b", b"c"):
            tree.put("a.txt", {"": body})
            seen.append(int((root / "a.txt").stat().st_mtime))
    assert len(set(seen)) == 3
    assert seen == sorted(seen)


def test_an_encoding_goes_before_the_page_that_has_none_comes(root: Path) -> None:
    with Tree(root) as tree:
        tree.put("a.txt", {"": b"x", ".gz": b"z", ".br": b"b"})
        tree.put("a.txt", {"": b"y", ".br": b"c"})
    found = {file.name: file.read_bytes() for file in root.glob("a.*")}
    assert found == {"a.txt": b"y", "a.txt.br": b"c"}


def test_what_servers_read_is_written_only_when_it_changes(root: Path) -> None:
    with Tree(root) as tree:
        assert tree.set_own("maps", b"1")
        assert not tree.set_own("maps", b"1")
        assert tree.set_top("_headers", b"1")
        assert not tree.set_top("_headers", b"1")
        assert tree.leftovers([]) == []
        tree.finish("", [])
    with Tree(root) as tree:
        assert tree.set_top("_headers", b"2")
        assert tree.set_top("_headers", b"")
        assert not tree.set_top("_headers", b"")
    assert not (root / "_headers").exists()


@pytest.mark.parametrize("force", [False, True])
def test_a_headers_file_of_others_is_left_alone(root: Path, force: bool) -> None:
    fill(root)
    (root / "_headers").write_text("mine")
    with Tree(root, force=force) as tree:
        assert not tree.set_top("_headers", b"")
        assert (root / "_headers").read_text() == "mine"
        assert tree.set_top("_headers", b"1") == force
    assert (root / "_headers").read_text() == ("1" if force else "mine")
