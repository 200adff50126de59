"""Photos of reports and tasks: checked, stripped of what they betray, kept as files.

A photo is opened and written anew by Pillow, so what is kept is a picture and nothing else: no
place, no device, no hidden payload; it is turned upright first. JPEG, PNG and WebP are read, JPEG
and PNG are written. A JPEG is read at an eighth to the whole of its size, so that what a phone's
large sensor makes needs no more memory than a small picture. Files lie in ``data_dir/photos`` under
their SHA-256; a row names each upload, by the id that its sender gave it or by one of ours.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uuid_utils
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from models.registers import Photo
from models.settings import Settings
from web_console.problems import Problem

FORMATS: Final = ("JPEG", "PNG", "WEBP")
PIXELS_MAX: Final = 40_000_000
JPEG_PIXELS_MAX: Final = 200_000_000
"""Of a JPEG whose scans can be read scaled; a progressive one is held whole, whatever its scale."""
LONGEST_SIDE: Final = 2560
PREVIEW_SIDE: Final = 320
JPEG_QUALITY: Final = 88
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)

# Pillow would refuse a JPEG of 200 megapixels before it can be asked for its size.
Image.MAX_IMAGE_PIXELS = JPEG_PIXELS_MAX


class Photos:
    """The photos of this installation; calls block, for a thread.

    Parameters
    ----------
    settings
        ``data_dir`` and ``photo_max_mb`` are read.
    """

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.data_dir / "photos"
        self.bytes_max = int(settings.photo_max_mb * 1_000_000)
        self.limit_mb = settings.photo_max_mb

    def keep(self, raw: bytes, account: str, photo_id: str = "") -> tuple[Photo, int, int]:
        """Write a photo's file; return what the database must know of it, width and height.

        ``photo_id`` is the sender's id of it; empty: one of ours.

        Raises
        ------
        Problem
            413 too large, 415 not a photo that we read, 422 damaged, 507 disk full.
        """
        if len(raw) > self.bytes_max:
            raise Problem(413, "too_large", "photo_size", limit=f"{self.limit_mb:g}")
        clean, content_type, (width, height) = _rewrite(raw)
        digest = hashlib.sha256(clean).hexdigest()
        name = f"{digest[:2]}/{digest}.{'png' if content_type == 'image/png' else 'jpg'}"
        self._write(name, clean)
        photo = Photo(
            id=photo_id or str(uuid_utils.uuid7()),
            sha256=digest,
            content_type=content_type,
            size=len(clean),
            account=account,
            at=datetime.now(UTC),
            file=name,
        )
        return photo, width, height

    def size_of(self, photo: Photo) -> tuple[int, int]:
        """Return width and height of a photo that is here.

        Raises
        ------
        Problem
            404 when its file isn't.
        """
        path, _, _ = self.file_of(photo, small=False)
        with Image.open(path, formats=FORMATS) as image:
            return image.size

    def file_of(self, photo: Photo, *, small: bool) -> tuple[Path, str, str]:
        """Return file, media type and SHA-256 of a photo, or of its preview.

        Raises
        ------
        Problem
            404 when there is none.
        """
        if not (self._folder / photo.file).is_file():
            raise Problem(404, "unknown", "not_there", value=photo.id)
        if not small:
            return self._folder / photo.file, photo.content_type, photo.sha256
        name = f"{photo.file}.small.jpg"
        if not (self._folder / name).is_file():
            self._write(name, _preview(self._folder / photo.file))
        return self._folder / name, "image/jpeg", f"{photo.sha256}-small"

    def _write(self, name: str, content: bytes) -> None:
        path = self._folder / name
        if path.is_file():
            return
        part = path.with_name(f".{path.name}.{os.getpid()}.{uuid_utils.uuid7()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            if error.errno in _FULL:
                raise Problem(507, "disk_full", "disk") from error
            raise


def _rewrite(raw: bytes) -> tuple[bytes, str, tuple[int, int]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image: Image.Image = Image.open(io.BytesIO(raw), formats=FORMATS)
        is_scaled = isinstance(image, JpegImageFile) and not image.info.get("progressive")
        most = JPEG_PIXELS_MAX if is_scaled else PIXELS_MAX
        if image.width * image.height > most:
            raise Problem(413, "too_large", "photo_pixels", limit=most // 1_000_000)
        keeps_alpha = image.format != "JPEG" and image.mode in ("RGBA", "LA", "P", "PA")
        _draft(image, LONGEST_SIDE)
        image = ImageOps.exif_transpose(image)
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        image = image.convert("RGBA" if keeps_alpha else "RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise Problem(415, "unsupported_type", "photo_type") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise Problem(422, "validation", "photo_broken") from error
    # A picture made of bare pixels carries none of the old one's metadata.
    image.info.clear()
    out = io.BytesIO()
    if keeps_alpha:
        image.save(out, "PNG", optimize=False)
        return out.getvalue(), "image/png", image.size
    image.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue(), "image/jpeg", image.size


def _draft(image: Image.Image, longest_side: int) -> None:
    """Have a JPEG read no larger than needed, also one that is long and narrow."""
    share = min(1.0, longest_side / max(image.size))
    width, height = (max(1, int(side * share)) for side in image.size)
    image.draft("RGB", (width, height))


def _preview(path: Path) -> bytes:
    with Image.open(path, formats=FORMATS) as image:
        _draft(image, PREVIEW_SIDE)
        small = image.convert("RGB")
    small.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=80)
    return out.getvalue()
