# One image for all eight services; the command of a container selects the service.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
RUN python3 -m venv /tools && /tools/bin/pip install -q --no-cache-dir uv && python3 -m venv /venv
COPY pyproject.toml uv.lock README.md ./
RUN VIRTUAL_ENV=/venv /tools/bin/uv sync -q --frozen --no-dev --no-install-project --active --no-cache
COPY . .
RUN VIRTUAL_ENV=/venv /tools/bin/uv sync -q --frozen --no-dev --no-editable --active --no-cache

FROM ${PYTHON_IMAGE}
COPY --from=build /venv /venv
COPY deploy/healthcheck.sh /usr/local/bin/healthcheck
# PYTHONFAULTHANDLER: a server that the health check ends writes the stack of every thread to the log.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONFAULTHANDLER=1
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["uvicorn", "--factory", "--host", "0.0.0.0", "--no-proxy-headers", "--no-server-header", "--no-access-log", "--timeout-graceful-shutdown", "30"]
