"""The OpenAPI document, made from the table of endpoints: what it says is what there is."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from glance3d import __version__
from glance3d.service.http.endpoints import Endpoint
from glance3d.service.jobs.records import STATES

_TEXT, _NUMBER, _WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
_TIME = {"type": ["number", "null"], "description": "seconds since 1970"}
_ANY_FAILURES = (401, 403)


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _list(of: Any) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


SCHEMAS: dict[str, dict[str, Any]] = {
    "Error": _object(error={**_TEXT, "description": "one sentence for a person"}),
    "Health": _object(status=_TEXT),
    "Settings": _object(
        model={**_TEXT, "description": "one of the server's; the first if left out"},
        refine={
            "type": "boolean",
            "description": "verify and adjust the cameras; by default where the server can",
        },
        formats={**_list(_TEXT), "description": "formats beside the usual ones"},
        views={**_WHOLE, "description": "at most so many frames of a clip"},
        max_pixels={**_WHOLE, "description": "pixels of a photo that the network sees"},
    ),
    "Server": _object(
        version=_TEXT,
        models=_list(
            _object(
                name=_TEXT,
                parameters={"type": ["integer", "null"]},
                licence={"type": ["string", "null"]},
                commercial_use={"type": ["string", "null"]},
                note=_TEXT,
            )
        ),
        formats=_list(_object(name=_TEXT, description=_TEXT)),
        can_refine={"type": "boolean"},
        suffixes={**_list(_TEXT), "description": "of files that are taken"},
        clip_suffixes=_list(_TEXT),
        limits=_object(job_bytes=_WHOLE, job_files=_WHOLE, photo_pixels=_WHOLE, keep_days=_NUMBER),
    ),
    "Job": _object(
        id={**_TEXT, "format": "uuid"},
        number=_WHOLE,
        name=_TEXT,
        state={**_TEXT, "enum": list(STATES)},
        place={"type": ["integer", "null"], "description": "in the queue; 1 is the next"},
        settings=_reference("Settings"),
        files=_WHOLE,
        bytes=_WHOLE,
        created=_TIME,
        began=_TIME,
        ended=_TIME,
        reason={**_TEXT, "description": "why it failed"},
        progress={"oneOf": [_reference("Progress"), {"type": "null"}]},
        result={"type": ["object", "null"], "description": "counts of photos, verdicts, warnings"},
        thumbnail={"type": "boolean"},
        downloads=_list(
            _object(name=_TEXT, description=_TEXT, bytes={"type": ["integer", "null"]})
        ),
    ),
    "Progress": _object(
        stage=_TEXT,
        words={**_TEXT, "description": "the stage for a person"},
        done=_WHOLE,
        total=_WHOLE,
        share={**_NUMBER, "minimum": 0, "maximum": 1},
    ),
    "Jobs": _object(jobs=_list(_reference("Job"))),
    "Document": {"type": "object", "description": "OpenAPI 3.1"},
    "NodeInfo": {"type": "object", "description": "as NodeODM's /info"},
    "NodeOptions": {"type": "array", "description": "as NodeODM's /options", "items": {}},
    "TaskId": _object(uuid=_TEXT),
    "TaskInfo": {"type": "object", "description": "as NodeODM's /task/{uuid}/info"},
    "TaskList": _list(_object(uuid=_TEXT)),
    "TaskLines": _list(_TEXT),
    "Success": _object(success={"type": "boolean"}),
}


def build_document(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The document of these endpoints."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = re.sub(r"\{(\w+)(?::\w+)?\}", r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Glance3D",
            "version": __version__,
            "description": "Photos in, scenes out. See docs/service.md.",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "query": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
        "security": [{}, {"bearer": []}, {"query": []}],
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _TEXT}
        for name in re.findall(r"\{(\w+)", endpoint.path)
    ]
    parameters += [
        {"name": name, "in": "query", "description": text, "schema": _TEXT}
        for name, text in endpoint.query.items()
    ]
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__name__,
        "summary": endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": parameters,
        "responses": _responses(endpoint),
    }
    if endpoint.form:
        schema = {"type": "object", "properties": endpoint.form}
        has_files = any("items" in one for one in endpoint.form.values())
        kind = "multipart/form-data" if has_files else "application/x-www-form-urlencoded"
        operation["requestBody"] = {
            "required": endpoint.form_is_required,
            "content": {kind: {"schema": schema}},
        }
    return operation


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(endpoint.status).phrase}
    if endpoint.answer in SCHEMAS:
        answer["content"] = {"application/json": {"schema": _reference(endpoint.answer)}}
    elif endpoint.answer:
        answer["content"] = {endpoint.answer: {}}
    error = {"content": {"application/json": {"schema": _reference("Error")}}}
    failures = sorted({*_ANY_FAILURES, *endpoint.failures})
    return {
        str(endpoint.status): answer,
        **{str(one): {"description": HTTPStatus(one).phrase, **error} for one in failures},
    }
