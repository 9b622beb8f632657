# syntax=docker/dockerfile:1
# Prefect's server, worker and flows, MLflow and the guard: docker build -f deployments/images/orchestrator.Dockerfile .
ARG PYTHON=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d

FROM ${PYTHON} AS builder
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_PYTHON=/opt/venv
WORKDIR /build
COPY requirements requirements
COPY pyproject.toml README.md LICENSE NOTICE ./
RUN pip install --require-hashes -r requirements/installer.txt \
 && uv venv --python /usr/local/bin/python /opt/venv
# PyPI's torch for Linux x86-64 is a CUDA build of gigabytes; PyTorch's own index has the CPU build
RUN uv pip install --require-hashes --torch-backend cpu -r requirements/torch-images.txt -c requirements/torch.txt \
  -r requirements/orchestrator.txt
COPY src src
RUN uv pip install --no-deps --no-build-isolation .

FROM ${PYTHON}
RUN groupadd --gid 10001 firstflight \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/firstflight --create-home --shell /usr/sbin/nologin firstflight
COPY --from=builder /opt/venv /opt/venv
# market data are mounted here: whoever publishes the image gives none of them away
RUN mkdir /opt/venv/market-data
WORKDIR /opt/firstflight
COPY prefect.yaml LICENSE NOTICE ./
COPY flows ./flows
COPY tasks ./tasks
COPY deployments ./deployments
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/firstflight \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/firstflight \
    MPLCONFIGDIR=/tmp/matplotlib \
    PREFECT_HOME=/var/lib/firstflight/prefect \
    FIRSTFLIGHT_HOME=/var/lib/firstflight \
    FIRSTFLIGHT_PROJECT=/opt/firstflight
USER 10001:10001
CMD ["firstflight", "--help"]
