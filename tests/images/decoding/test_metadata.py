"""EXIF says how a photo was taken; damaged EXIF says less, and never costs the photo."""

import datetime
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, TiffImagePlugin

from glance3d.images import load_images, open_upright, read_metadata
from glance3d.images.decoding.metadata import metadata_of
from glance3d.images.decoding.tags import read_tags
from glance3d.types import PhotoMetadata
from tests.images.files import gradient

B, G = ExifTags.Base, ExifTags.GPS
BERN = {
    G.GPSLatitudeRef: "N",
    G.GPSLatitude: (46.0, 56.0, 53.16),
    G.GPSLongitudeRef: "E",
    G.GPSLongitude: (7.0, 26.0, 50.64),
    G.GPSAltitudeRef: b"\x00",
    G.GPSAltitude: 542.5,
}


def build_exif(main=None, photo=None, gps=None) -> Image.Exif:
    exif = Image.Exif()
    exif.update(main or {})
    for folder, tags in ((ExifTags.IFD.Exif, photo), (ExifTags.IFD.GPSInfo, gps)):
        if tags:
            exif.get_ifd(folder).update(tags)
    read_back = Image.Exif()  # Pillow writes directories into a TIFF only if they were read
    read_back.load(exif.tobytes())
    return read_back


def write_photo(path, exif, size=(40, 30), **options):
    Image.fromarray(gradient(*size)).save(path, exif=exif, **options)
    return path


def metadata_from(tmp_path, main=None, photo=None, gps=None, size=(40, 30)):
    return read_metadata(write_photo(tmp_path / "a.jpg", build_exif(main, photo, gps), size))


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "heic"])
def test_all_facts_in_every_kind_of_file(tmp_path, suffix):
    pytest.importorskip("pillow_heif").register_heif_opener()
    photo = {
        B.LensModel: "RF24-105mm F4",
        B.FocalLengthIn35mmFilm: 35,
        B.DateTimeOriginal: "2024:07:05 10:11:12",
        B.SubsecTimeOriginal: "25",
        B.OffsetTimeOriginal: "+02:00",
    }
    exif = build_exif({B.Make: "Canon", B.Model: "Canon EOS R5"}, photo, BERN)
    metadata = read_metadata(write_photo(tmp_path / f"a.{suffix}", exif, (64, 48)))
    assert metadata.camera == "Canon EOS R5 RF24-105mm F4"
    assert metadata.focal_35mm == 35
    assert metadata.latitude == pytest.approx(46 + 56 / 60 + 53.16 / 3600, abs=1e-9)
    assert metadata.longitude == pytest.approx(7 + 26 / 60 + 50.64 / 3600, abs=1e-9)
    assert metadata.altitude == 542.5
    assert metadata.taken == "2024-07-05T10:11:12.250+02:00"
    parsed = datetime.datetime.fromisoformat(metadata.taken)
    assert parsed.utcoffset() == datetime.timedelta(hours=2)


def test_south_west_and_below_the_sea(tmp_path):
    gps = {
        **BERN,
        G.GPSLatitudeRef: "S",
        G.GPSLongitudeRef: "W",
        G.GPSAltitudeRef: b"\x01",
        G.GPSAltitude: 430.0,
    }
    metadata = metadata_from(tmp_path, gps=gps)
    assert metadata.latitude == pytest.approx(-46.9481, abs=1e-4)
    assert metadata.longitude == pytest.approx(-7.4474, abs=1e-4)
    assert metadata.altitude == -430.0


@pytest.mark.parametrize(
    ("unit", "per_unit"), [(2, 25.4 * 6000 / 36), (3, 10 * 6000 / 36), (4, 6000 / 36)]
)
def test_focal_length_from_the_sensor(tmp_path, unit, per_unit):
    photo = {
        B.FocalLength: 50.0,
        B.FocalPlaneXResolution: per_unit,
        B.FocalPlaneYResolution: per_unit,
        B.FocalPlaneResolutionUnit: unit,
        B.ExifImageWidth: 6000,
        B.ExifImageHeight: 4000,
    }
    # The photo was made smaller since; a full-frame sensor's focal length is the film's.
    assert metadata_from(tmp_path, photo=photo).focal_35mm == pytest.approx(50, rel=1e-6)
    del photo[B.ExifImageWidth]
    assert metadata_from(tmp_path, photo=photo).focal_35mm is None  # 40 pixels are no sensor


def test_a_small_sensor_is_enlarged_to_film(tmp_path):
    photo = {
        B.FocalLength: 4.0,
        B.FocalPlaneXResolution: 100.0,
        B.FocalPlaneResolutionUnit: 4,
        B.ExifImageWidth: 480,
        B.ExifImageHeight: 360,
    }
    assert metadata_from(tmp_path, photo=photo).focal_35mm == pytest.approx(
        4 * 43.2666 / 6, rel=1e-4
    )


def test_names_are_cleaned(tmp_path):
    main = {B.Make: "  NIKON CORPORATION\0\0 ", B.Model: "NIKON\tD90 "}
    assert metadata_from(tmp_path, main=main).camera == "NIKON CORPORATION NIKOND90"
    assert metadata_from(tmp_path, main={B.Model: "Pixel 8"}).camera == "Pixel 8"


def test_times_fall_back_and_refuse_nonsense(tmp_path):
    assert (
        metadata_from(tmp_path, main={B.DateTime: "2001:02:03 04:05:06"}).taken
        == "2001-02-03T04:05:06"
    )
    photo = {B.DateTimeOriginal: "0000:00:00 00:00:00", B.OffsetTimeOriginal: "+99:99"}
    assert metadata_from(tmp_path, photo=photo).taken is None
    photo[B.DateTimeOriginal] = "2020:01:01 00:00:00"
    assert metadata_from(tmp_path, photo=photo).taken == "2020-01-01T00:00:00"


@pytest.mark.parametrize(
    "damage",
    [
        {G.GPSLatitude: (Fraction(0), Fraction(0), Fraction(0)), G.GPSLongitude: (0.0, 0.0, 0.0)},
        {G.GPSLatitude: (100.0, 0.0, 0.0)},
        {G.GPSLongitude: (7.0, float("nan"), 0.0)},
        {G.GPSLatitudeRef: "X"},
        {G.GPSLatitude: "47"},
    ],
)
def test_a_position_that_cannot_be_is_none(damage):
    class Damaged(Image.Image):
        def getexif(self):
            return build_exif(gps={**BERN, **damage})

    damaged = Damaged()
    damaged._size = (40, 30)
    metadata = metadata_of(read_tags(damaged), damaged.size)
    assert (metadata.latitude, metadata.longitude, metadata.altitude) == (None, None, None)


def test_zero_denominators_are_unknown(tmp_path):
    nothing = TiffImagePlugin.IFDRational(0, 0)
    gps = {**BERN, G.GPSLatitude: (nothing, nothing, nothing)}
    assert metadata_from(tmp_path, gps=gps).latitude is None
    assert metadata_from(tmp_path, photo={B.FocalLength: nothing}).focal_35mm is None
    assert metadata_from(tmp_path, photo={B.FocalLengthIn35mmFilm: 0}).focal_35mm is None


def test_no_exif_is_no_facts(tmp_path):
    Image.fromarray(gradient(40, 30)).save(tmp_path / "a.png")
    assert read_metadata(tmp_path / "a.png") == PhotoMetadata()
    assert read_metadata(Image.fromarray(gradient(40, 30))) == PhotoMetadata()


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@settings(max_examples=150)
@given(data=st.data())
def test_damaged_exif_never_loses_a_photo(tmp_path_factory, data):
    photo = {B.FocalLength: 4.2, B.LensModel: "lens", B.DateTimeOriginal: "2024:07:05 10:11:12"}
    whole = build_exif({B.Make: "Canon", B.Model: "R5", B.Orientation: 1}, photo, BERN).tobytes()
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 12))):
        damaged[data.draw(st.integers(6, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(8, len(whole)))
    path = tmp_path_factory.getbasetemp() / "damaged.jpg"
    Image.fromarray(gradient(32, 24)).save(path, exif=bytes(damaged[:cut]))
    assert isinstance(read_metadata(path), PhotoMetadata)
    assert sorted(open_upright(path).size) == [24, 32]


def test_a_batch_has_the_facts_of_each_view_in_order(tmp_path):
    for name, focal in (("b.jpg", 50), ("a.jpg", 24)):
        write_photo(tmp_path / name, build_exif(photo={B.FocalLengthIn35mmFilm: focal}), (64, 48))
    (tmp_path / "aa.jpg").write_bytes(b"rubbish")
    batch = load_images(tmp_path)
    assert batch.names == ("a.jpg", "b.jpg")
    assert [f.focal_35mm for f in batch.metadata] == [24, 50]
    assert len(load_images([np.zeros((32, 32, 3), np.uint8)]).metadata) == 1


def test_a_batch_has_focal_lengths_in_pixels_of_its_grid(tmp_path):
    stated = build_exif(photo={B.FocalLengthIn35mmFilm: 50})
    write_photo(tmp_path / "a.jpg", stated, (640, 480))
    write_photo(tmp_path / "b.jpg", build_exif(), (640, 480))
    batch = load_images(tmp_path)
    scale = batch.placements[0].scale[0]
    assert float(batch.focal_lengths[0]) == pytest.approx(50 / 43.2666 * 800 * scale, rel=0.01)
    assert batch.focal_lengths[1].isnan()
    knowing = replace(batch, known_focal_lengths=torch.tensor([torch.nan, 500.0])).of_views([1, 0])
    assert float(knowing.focal_lengths[0]) == pytest.approx(500 * scale, rel=0.01)
    assert knowing.focal_lengths[1] == batch.focal_lengths[0]
    assert load_images(tmp_path / "b.jpg").focal_lengths is None
