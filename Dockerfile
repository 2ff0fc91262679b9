# docker build -t pvasm .
# docker run --rm -v "$PWD:/tree:ro" pvasm check arch/ia64
FROM python:3.13-slim AS build
WORKDIR /source
COPY . .
RUN python -m pip wheel --no-cache-dir --wheel-dir /wheels .

FROM python:3.13-slim
# The C preprocessor, for --cpp: a tenth of gcc. Its version is the distribution's.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends cpp \
 && rm -rf /var/lib/apt/lists/*
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir --no-index /wheels/*.whl \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent pvasm
ENV PVASM_CPP=cpp PVASM_CACHE_DIR=/tmp/pvasm
USER 10001
WORKDIR /tree
ENTRYPOINT ["pvasm"]
CMD ["--help"]
