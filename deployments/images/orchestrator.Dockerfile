# syntax=docker/dockerfile:1
# Prefect's server, worker and flows, MLflow and the guard: docker build -f deployments/images/orchestrator.Dockerfile .
ARG PYTHON=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d

FROM ${PYTHON} AS builder
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements/torch.txt requirements/orchestrator.txt requirements/market-data.txt /build/requirements/
# PyPI's torch for Linux x86-64 is a CUDA build of gigabytes; PyTorch's own index has the CPU build
RUN pip install --no-deps --index-url https://download.pytorch.org/whl/cpu -r /build/requirements/torch.txt \
 && pip install --no-deps --require-hashes -r /build/requirements/orchestrator.txt \
 && pip install --no-deps --require-hashes -r /build/requirements/market-data.txt
COPY pyproject.toml README.md /build/
COPY src /build/src
RUN pip install --no-deps --no-build-isolation /build

FROM ${PYTHON}
RUN groupadd --gid 10001 firstflight \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/firstflight --create-home --shell /usr/sbin/nologin firstflight
COPY --from=builder /opt/venv /opt/venv
WORKDIR /opt/firstflight
COPY prefect.yaml ./
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
