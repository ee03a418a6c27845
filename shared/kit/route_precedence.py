"""Makes routes with a parameter not match a path that another route has literally.

Without this, `DELETE /doctors/{doctor_id}/leaves/preview` would delete the leave with the id "preview", and a 405 for that path would list
methods that it does not have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

PARAMETER = re.compile(r"\{[^}]*\}")


def prefer_literal_segments(routes: Sequence[BaseRoute]) -> None:
    """Exclude from each route the paths of more literal routes: `/patients/{patient_id}` then does not match `/patients/me`."""
    api_routes = [route for route in routes if isinstance(route, APIRoute)]
    for route in api_routes:
        more_literal = {other.path_format: other for other in api_routes if _is_more_literal(other.path_format, route.path_format)}
        if more_literal:
            excluded = "".join(f"(?!{_without_names(other.path_regex)})" for other in more_literal.values())
            route.path_regex = re.compile(excluded + route.path_regex.pattern)


def _is_more_literal(path: str, other_path: str) -> bool:
    """True if every segment of `path` is that of `other_path`, or is literal where `other_path` has a parameter."""
    pairs = list(zip(path.split("/"), other_path.split("/"), strict=False))
    return (
        path.count("/") == other_path.count("/")
        and all(own == other or PARAMETER.fullmatch(other) for own, other in pairs)
        and any("{" not in own and own != other for own, other in pairs)
    )


def _without_names(pattern: re.Pattern[str]) -> str:
    """Return the pattern without the names of its groups, which must be unique in the pattern that it becomes a part of."""
    return re.sub(r"\(\?P<\w+>", "(?:", pattern.pattern)
