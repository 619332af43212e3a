"""Forms with files (multipart/form-data), written to a job's inputs as they come in.

Nothing of a file is kept in memory. What is too large, too slow or cut off ends the request, and
the files that it has brought are removed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from glance3d.errors import InputError
from glance3d.files.atomic import errors_named
from glance3d.service.jobs.limits import Limits
from glance3d.service.jobs.names import file_name, shown_name
from glance3d.service.jobs.records import InputFile
from glance3d.service.jobs.store import INPUTS, JobStore

_MOST_FIELDS = 64
_FIELD_BYTES = 64 * 1024
_HEADER_BYTES = 8 * 1024
# What is read of a request that is refused, so that its client hears why.
_DRAINED_BYTES = 256 * 1024**2
_DRAINED_SECONDS = 20.0


class TooLargeError(InputError):
    """More than a job may have."""


class TooSlowError(InputError):
    """A client that sent nothing for too long."""


class NoLengthError(InputError):
    """An upload of which nobody knows how long it will be."""


class Form:
    """What came: text fields, and files that stand in the job's inputs."""

    def __init__(self, inputs: Path, limits: Limits, before: tuple[InputFile, ...]) -> None:
        self.fields: dict[str, str] = {}
        self.files: list[InputFile] = []
        self.is_whole = False
        self._inputs, self._limits = inputs, limits
        self._names = [one.name for one in before]
        self._num_bytes = sum(one.size for one in before)
        self._headers: dict[bytes, bytes] = {}
        self._header, self._value = b"", b""
        self._field, self._text = "", b""
        self._file: BinaryIO | None = None

    def parser(self, boundary: bytes) -> MultipartParser:
        """What is to be fed with the bytes of the request."""
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._add_to_header,
                "on_header_value": self._add_to_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._open_part,
                "on_part_data": self._add_data,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def remove_files(self) -> None:
        """Undo: close and remove whatever was written."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self.files.append(InputFile(self._names[-1]))
        for one in self.files:
            with suppress(OSError):
                (self._inputs / one.name).unlink()
        self.files.clear()

    def _begin_part(self) -> None:
        self._headers, self._header, self._value = {}, b"", b""

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._refuse_long_header()

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._refuse_long_header()

    def _refuse_long_header(self) -> None:
        if len(self._header) + len(self._value) > _HEADER_BYTES or len(self._headers) > 16:
            raise InputError("the headers of a part of the form are too long")

    def _end_header(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _open_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._field, self._text = _decoded(options.get(b"name", b"")), b""
        given = options.get(b"filename")
        if given is None:
            if len(self.fields) >= _MOST_FIELDS:
                raise InputError(f"a form must have at most {_MOST_FIELDS} fields")
            return
        if len(self._names) >= self._limits.job_files:
            raise TooLargeError(
                f"a job takes at most {self._limits.job_files} files: send fewer, or in parts"
            )
        self._file = self._created(_decoded(given))

    def _created(self, given: str) -> BinaryIO:
        """A new file; other requests may add files to the same job meanwhile."""
        taken = list(self._names)
        while True:
            name = file_name(given, taken)
            with errors_named(self._inputs / name), suppress(FileExistsError):
                file = (self._inputs / name).open("xb")
                self._names.append(name)
                return file
            taken.append(name)

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None:
            self._text += data[start:end]
            if len(self._text) > _FIELD_BYTES:
                raise TooLargeError(f"the field {shown_name(self._field)!r} is too long")
            return
        self._num_bytes += end - start
        if self._num_bytes > self._limits.job_bytes:
            raise too_many_bytes(self._limits)
        with errors_named(self._inputs / self._names[-1]):
            self._file.write(memoryview(data)[start:end])

    def _end_part(self) -> None:
        if self._file is None:
            self.fields[self._field] = _decoded(self._text)
            return
        with errors_named(self._inputs / self._names[-1]):
            size = self._file.tell()
            self._file.close()
        self._file = None
        self.files.append(InputFile(self._names[-1], size))

    def _end(self) -> None:
        self.is_whole = True


async def receive_form(request: Request, store: JobStore, identity: str) -> Form:
    """Read a request's form into a job, which knows of the files once all are whole.

    Raises:
        InputError: it is no such form, or it was cut off.
        TooLargeError: it brings more than the job may have, or the server may keep.
        TooSlowError: nothing came for too long.
        OutputError: the disk refuses.
    """
    limits, job = store.limits, store.job(identity)
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= 200:
        raise InputError("a job must be sent as a form (multipart/form-data)")
    expected = content_length(request)
    if expected is None:
        raise NoLengthError("an upload must say how long it is (Content-Length)")
    if expected > limits.job_bytes + _MOST_FIELDS * _FIELD_BYTES:
        raise too_many_bytes(limits)
    form = Form(store.folder(identity) / INPUTS, limits, job.files)
    parser = form.parser(boundary)
    try:
        with store.reserved(identity, expected):
            async for chunk in _chunks(request, limits.idle_seconds):
                await run_in_threadpool(parser.write, chunk)
            if not form.is_whole:
                raise InputError("the upload was cut off: send it again")
            if form.files:
                store.add_files(identity, form.files)
    except ClientDisconnect as error:
        form.remove_files()
        raise InputError("the upload was cut off: send it again") from error
    except MultipartParseError as error:
        form.remove_files()
        raise InputError(
            "the upload must be a form whose parts have short headers (names of files too), got "
            "what cannot be read: send it again"
        ) from error
    except BaseException:
        form.remove_files()
        raise
    return form


async def drain(request: Request, error: Exception) -> None:
    """Read on what a refused client still sends, within bounds: then it hears the answer.

    Nothing is waited for of one that was refused (``error``) because it sends nothing.
    """
    if isinstance(error, TooSlowError):
        return
    count = 0
    with suppress(ClientDisconnect, RuntimeError, TooSlowError, TimeoutError):
        async with asyncio.timeout(_DRAINED_SECONDS):
            async for chunk in _chunks(request, _DRAINED_SECONDS):
                count += len(chunk)
                if count > _DRAINED_BYTES:
                    return


async def small_body(request: Request) -> bytes:
    """The whole body of a request without files.

    Raises:
        TooLargeError: it is longer than such requests are.
    """
    body = b""
    async for chunk in _chunks(request, 20.0):
        body += chunk
        if len(body) > _FIELD_BYTES:
            raise TooLargeError("the request is too long")
    return body


def content_length(request: Request) -> int | None:
    """The bytes that a request says it has, which it cannot exceed; None where it does not say."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None


def too_many_bytes(limits: Limits) -> TooLargeError:
    """The refusal of more bytes than a job may have."""
    return TooLargeError(
        f"a job takes at most {limits.job_bytes / 1e9:g} GB: send fewer or smaller files"
    )


async def _chunks(request: Request, idle_seconds: float) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        try:
            yield await asyncio.wait_for(anext(stream), idle_seconds)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise TooSlowError(
                f"nothing came for {idle_seconds:g} seconds: send the upload again"
            ) from None


def _decoded(text: bytes) -> str:
    return text.decode(errors="replace")
