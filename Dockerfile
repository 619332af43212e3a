# Glance3D on a CPU. Built by: docker build -t glance3d .   (docs/container.md)
# It was written where no builder is: linted, not built.

FROM python:3.11-slim AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/glance3d
ENV PATH="/opt/glance3d/bin:$PATH"
COPY constraints.txt ./
# PyTorch first: it changes seldom, and its layer is by far the largest.
RUN python -m pip install -c constraints.txt \
    --extra-index-url https://download.pytorch.org/whl/cpu torch
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN python -m pip install -c constraints.txt \
    --extra-index-url https://download.pytorch.org/whl/cpu '.[colmap,exr,heif,las,serve,video]'

FROM python:3.11-slim
LABEL org.opencontainers.image.title="Glance3D" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/glance3d /opt/glance3d
# /data: jobs, and what is mounted there; /cache: weights from the hub, once for all runs.
RUN useradd --create-home --uid 1000 glance && \
    install --directory --owner=glance --group=glance /data /cache
ENV PATH="/opt/glance3d/bin:$PATH" HF_HOME=/cache PYTHONUNBUFFERED=1
USER 1000:1000
WORKDIR /data
VOLUME ["/data", "/cache"]
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
ENTRYPOINT ["glance3d"]
CMD ["serve", "/data/jobs", "--host", "0.0.0.0", "--port", "8080", "--no-open"]
