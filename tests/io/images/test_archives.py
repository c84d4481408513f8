"""Archives of images: read in memory, never extracted, and nothing in them can hurt."""

import io
import os
import struct
import tarfile
import warnings
import zipfile
import zlib

import numpy as np
import pytest
from making import pictures, save_all
from PIL import Image

import gsp_studio as gs
from gsp_studio.io.images import image_set
from gsp_studio.io.readers import load_dataset, peek, thumbnails


def png(image):
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return content.getvalue()


def refused(path):
    with pytest.raises(gs.DatasetError) as error:
        load_dataset(path)
    sentence = str(error.value)
    assert "\n" not in sentence
    return sentence


@pytest.fixture
def members():
    """Six images in two class folders, by their names."""
    return {f"{'ab'[k % 2]}/image {k}.png": png(image) for k, image in enumerate(pictures(6))}


def write_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def write_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))


@pytest.mark.parametrize("name", ["x.zip", "x.bin", "x.tar", "x.tgz", "x.tar.bz2", "x.tar.xz"])
def test_an_archive_is_as_the_folder_that_it_holds(tmp_path, members, name):
    if name in ("x.zip", "x.bin"):
        write_zip(tmp_path / name, {**members, "notes.txt": b"hello", "__MACOSX/._a": b"x", ".hidden.png": b"no"})
    else:
        kind = {"x.tar": "", "x.tgz": "gz", "x.tar.bz2": "bz2", "x.tar.xz": "xz"}[name]
        write_tar(tmp_path / name, {**members, "notes.txt": b"hello"}, f"w:{kind}")
    before = sorted(os.listdir(tmp_path))
    data = load_dataset(tmp_path / name)
    images = pictures(6)
    order = [0, 2, 4, 1, 3, 5]
    assert np.array_equal(data.images(), images[order] / np.float32(255))
    assert data.labels == ("a",) * 3 + ("b",) * 3
    assert data.names[0] == "a/image 0.png"
    assert any("1 other file skipped: notes.txt" in note for note in data.notes)
    assert thumbnails(peek(tmp_path / name)).shape == (6, 9, 7)
    assert gs.load_dataset(tmp_path / name, data.options).fingerprint == data.fingerprint
    assert sorted(os.listdir(tmp_path)) == before


def test_a_zip_of_arrays_stays_an_npz(tmp_path):
    np.savez(tmp_path / "x.zip.npz", images=pictures(4))
    (tmp_path / "x.zip.npz").rename(tmp_path / "x.zip")
    assert peek(tmp_path / "x.zip").kind == "npz"


def test_names_that_lead_outside_are_only_names(tmp_path, members):
    images = list(members.values())
    inside = {"../up.png": images[0], "/absolute.png": images[1], "a/../../b.png": images[2]}
    (tmp_path / "in").mkdir()
    write_zip(tmp_path / "in" / "x.zip", inside)
    with tarfile.open(tmp_path / "in" / "x.tar", "w") as archive:
        for name, content in inside.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
        for kind, name in ((tarfile.SYMTYPE, "link.png"), (tarfile.LNKTYPE, "hard.png"), (tarfile.CHRTYPE, "dev.png")):
            item = tarfile.TarInfo(name)
            item.type, item.linkname = kind, "/etc/hostname"
            archive.addfile(item)
    for name in ("x.zip", "x.tar"):
        assert load_dataset(tmp_path / "in" / name).X.shape[1] == 3
    assert os.listdir(tmp_path) == ["in"]
    assert sorted(os.listdir(tmp_path / "in")) == ["x.tar", "x.zip"]


def zip_of_windows(path, members):
    """A ZIP archive whose names have a backslash between folders, as some programs of Windows write them."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            item = zipfile.ZipInfo("x")
            item.filename = name
            archive.writestr(item, content)


def test_backslashes_part_folders_where_an_archive_has_no_other(tmp_path, members):
    named = {name.replace("/", "\\"): content for name, content in members.items()}
    zip_of_windows(tmp_path / "x.zip", {"a\\": b"", **named, "__MACOSX\\._a.png": b"x", "a\\notes.txt": b"hello"})
    data = load_dataset(tmp_path / "x.zip")
    assert data.labels == ("a",) * 3 + ("b",) * 3
    assert data.names[0] == "a/image 0.png"
    assert np.array_equal(data.images(), pictures(6)[[0, 2, 4, 1, 3, 5]] / np.float32(255))
    assert any("1 other file skipped: a/notes.txt" in note for note in data.notes)


@pytest.mark.skipif(os.sep != "/", reason="Windows has no names with a backslash in them")
def test_a_backslash_is_a_letter_beside_a_slash_and_no_way_upwards(tmp_path, members):
    named = {name.replace("/", "\\"): content for name, content in members.items()}
    zip_of_windows(tmp_path / "mixed.zip", {**named, "c/image 6.png": members["a/image 0.png"]})
    assert "a\\image 0.png" in load_dataset(tmp_path / "mixed.zip").names
    zip_of_windows(tmp_path / "up.zip", {**named, "..\\up.png": b"x", "a\\..\\..\\up.png": members["a/image 0.png"]})
    assert not any("../" in name or name.startswith("..") for name in load_dataset(tmp_path / "up.zip").names)


def test_a_zip_that_lies_about_a_size(tmp_path):
    content = png(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    write_zip(tmp_path / "x.zip", {"a.png": content, "b.png": content})
    raw = (tmp_path / "x.zip").read_bytes()
    size = struct.pack("<I", len(content))
    (tmp_path / "less.zip").write_bytes(raw.replace(size, struct.pack("<I", 100)))
    assert "a.png in " in refused(tmp_path / "less.zip")
    (tmp_path / "more.zip").write_bytes(raw.replace(size, struct.pack("<I", 2**31)))
    assert "more than it can hold" in refused(tmp_path / "more.zip")
    (tmp_path / "cut.zip").write_bytes(raw[: len(raw) // 2])
    assert "cut.zip" in refused(tmp_path / "cut.zip")


def test_an_archive_in_an_archive_is_not_opened(tmp_path, members):
    write_zip(tmp_path / "inner.zip", members)
    write_zip(tmp_path / "outer.zip", {"inner.zip": (tmp_path / "inner.zip").read_bytes()})
    assert "contains no images (1 other file skipped: inner.zip)" in refused(tmp_path / "outer.zip")
    write_zip(tmp_path / "empty.zip", {"folder/": b""})
    assert "contains no images" in refused(tmp_path / "empty.zip")


def test_an_encrypted_archive_is_named(tmp_path, members):
    write_zip(tmp_path / "x.zip", members, zipfile.ZIP_STORED)
    raw = bytearray((tmp_path / "x.zip").read_bytes())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = -1
        while (at := raw.find(mark, at + 1)) >= 0:
            raw[at + offset] |= 1
    (tmp_path / "x.zip").write_bytes(raw)
    assert "is encrypted; unpack the archive to open it" in refused(tmp_path / "x.zip")


def test_truncated_tars(tmp_path, members):
    write_tar(tmp_path / "x.tar", members)
    raw = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(raw[:700])
    assert "cut.tar" in refused(tmp_path / "cut.tar")
    write_tar(tmp_path / "x.tgz", members, "w:gz")
    raw = (tmp_path / "x.tgz").read_bytes()
    (tmp_path / "cut.tgz").write_bytes(raw[: len(raw) // 2])
    assert "cut.tgz" in refused(tmp_path / "cut.tgz")


def test_a_compressed_bomb_is_stopped_while_it_is_read(tmp_path, monkeypatch):
    write_tar(tmp_path / "x.tgz", {"a.png": bytes(200 << 20)}, "w:gz")
    monkeypatch.setattr("gsp_studio.io.memory.free_memory", lambda: 32 << 20)
    assert "x.tgz, decompressed, needs" in refused(tmp_path / "x.tgz")


def test_an_archive_of_images_does_not_become_so_much(tmp_path):
    write_tar(tmp_path / "x.tar.bz2", {"a.bin": bytes(70 << 20)}, "w:bz2")
    assert "no archive of images does" in refused(tmp_path / "x.tar.bz2")


def test_other_members_are_looked_at_and_not_decompressed(tmp_path, members, monkeypatch):
    write_zip(
        tmp_path / "x.zip", {**members, "film.avi": bytes(40 << 20), "secret.txt": b"locked"}, zipfile.ZIP_DEFLATED
    )
    raw = bytearray((tmp_path / "x.zip").read_bytes())
    for mark, offset, name in ((b"PK\3\4", 6, 30), (b"PK\1\2", 8, 46)):
        at = -1
        while (at := raw.find(mark, at + 1)) >= 0:
            if raw[at + name : at + name + 10] == b"secret.txt":
                raw[at + offset] |= 1
    (tmp_path / "x.zip").write_bytes(raw)
    read = []
    real = zipfile.ZipFile.read
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda self, info: (read.append(info.filename), real(self, info))[1])
    data = load_dataset(tmp_path / "x.zip")
    assert data.X.shape[1] == 6
    assert any("2 other files skipped: film.avi, secret.txt" in note for note in data.notes)
    assert set(read) == set(members)


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_that_stands_twice_in_an_archive_is_one_image_and_told(tmp_path, members, kind):
    (first, old), (second, new), *_ = members.items()
    path = tmp_path / f"x.{kind}"
    write_tar(path, members)
    with tarfile.open(path, "a") if kind == "tar" else zipfile.ZipFile(path, "w") as archive:
        for name, content in [*(members.items() if kind == "zip" else ()), (first, new), (second, old), (first, old)]:
            if kind == "tar":
                item = tarfile.TarInfo(name)
                item.size = len(content)
                archive.addfile(item, io.BytesIO(content))
            else:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    archive.writestr(name, content)
    data = load_dataset(path)
    images = dict(zip(data.names, data.images(), strict=True))
    assert len(images) == 6
    assert np.array_equal(images[first], images[second])  # the last of each
    assert f"3 images left out, as a later member has the same name: {first}, {first}, {second}" in data.notes


def test_hard_links_of_a_tar_are_images_and_other_links_are_told(tmp_path, members):
    images = list(members.values())
    with tarfile.open(tmp_path / "x.tar", "w") as archive:

        def add(name, kind=tarfile.REGTYPE, target="", content=b""):
            item = tarfile.TarInfo(name)
            item.type, item.linkname, item.size = kind, target, len(content)
            archive.addfile(item, io.BytesIO(content))

        add("./a/0.png", content=images[0])
        add("a/1.png", content=images[1])
        add("b/2.png", tarfile.LNKTYPE, "a/0.png")
        add("b/3.png", tarfile.LNKTYPE, "b/2.png")
        add("b/4.png", tarfile.LNKTYPE, "b/5.png")  # behind it
        add("b/5.png", content=images[2])
        add("b/6.png", tarfile.LNKTYPE, "/etc/hostname")
        add("b/7.png", tarfile.SYMTYPE, "../a/0.png")
    data = load_dataset(tmp_path / "x.tar")
    assert tuple(data.names) == ("./a/0.png", "a/1.png", "b/2.png", "b/3.png", "b/5.png")
    assert np.array_equal(data.images(), pictures(6)[[0, 1, 0, 0, 2]] / np.float32(255))
    assert any("3 other files skipped: b/4.png, b/6.png, b/7.png" in note for note in data.notes)


def test_members_with_holes_are_refused(tmp_path, members):
    write_tar(tmp_path / "x.tar", members)
    name, size = b"hole.png", 1 << 30
    header = bytearray(tarfile.TarInfo(name.decode()).tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[124:136] = b"%011o\0" % 512
    header[386:410] = b"%011o\0%011o\0" % (0, 512)
    header[483:495] = b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    content = next(iter(members.values())).ljust(512, b"\0")[:512]
    (tmp_path / "x.tar").write_bytes(bytes(header) + content + (tmp_path / "x.tar").read_bytes())
    assert "hole.png in " in refused(tmp_path / "x.tar")


def test_extended_headers_that_would_take_minutes_are_refused(tmp_path, members):
    write_tar(tmp_path / "x.tar", members)
    item = tarfile.TarInfo("pax")
    record = b"9" * 400_000
    item.type, item.size = tarfile.XHDTYPE, len(record)
    bad = item.tobuf(tarfile.USTAR_FORMAT) + record + bytes(-len(record) % 512)
    (tmp_path / "x.tar").write_bytes(bad + (tmp_path / "x.tar").read_bytes())
    assert "x.tar is a damaged archive" in refused(tmp_path / "x.tar")


def test_names_of_thousands_of_digits_are_in_order(tmp_path, members):
    content = list(members.values())
    write_zip(tmp_path / "x.zip", {"9" * 5000 + ".png": content[0], "8" * 5000 + ".png": content[1]})
    assert [name[0] for name in load_dataset(tmp_path / "x.zip").names] == ["8", "9"]


def test_an_animation_that_declares_more_frames_than_it_can_hold(tmp_path):
    first, *rest = (Image.fromarray(image) for image in pictures(3))
    first.save(tmp_path / "x.png", save_all=True, append_images=rest)
    assert load_dataset(tmp_path / "x.png").X.shape[1] == 3
    raw = bytearray((tmp_path / "x.png").read_bytes())
    at = raw.index(b"acTL")
    raw[at + 4 : at + 8] = struct.pack(">I", 2**31 - 1)
    raw[at + 12 : at + 16] = struct.pack(">I", zlib.crc32(raw[at : at + 12]))
    (tmp_path / "x.png").write_bytes(raw)
    assert "declares 2147483647 images" in refused(tmp_path / "x.png")


@pytest.mark.parametrize("workers", [1, 4])
def test_files_read_at_once_are_read_in_order(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(image_set, "_workers", lambda pixels: workers)
    images = pictures(40)
    save_all(images, tmp_path)
    done = []
    data = load_dataset(tmp_path, progress=lambda k, n: done.append((k, n)))
    assert np.array_equal(data.images(), images / np.float32(255))
    assert done == [(k, 40) for k in range(1, 41)]
    (tmp_path / "image 30.png").write_bytes((tmp_path / "image 30.png").read_bytes()[:60])
    assert "image 30.png is damaged" in refused(tmp_path)


def test_the_archive_of_cifar(shared_data):
    data = load_dataset(shared_data / "cifar10_test_jpeg.zip", colour="rgb")
    assert (data.X.shape, data.image_shape, data.channels) == ((3072, 10000), (32, 32), 3)
    assert len(set(data.labels)) == 10
