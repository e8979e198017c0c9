# labkit as an image: the store and the sidecar run from it (docker-compose.yml).
FROM python:3.13.12-slim-trixie AS build
ARG EXTRA=store
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv /opt/labkit
# First what labkit needs, with an empty package in its place: this layer lasts until the requirements change.
COPY pyproject.toml constraints.txt ./
RUN mkdir --parents labkit lua configs/jupyter/labextensions/labkit notebooks docs examples \
 && touch README.md CHANGELOG.md LICENSE docs/pypi.md labkit/__init__.py \
 && /opt/labkit/bin/pip install --constraint constraints.txt ".[$EXTRA]"
COPY README.md CHANGELOG.md LICENSE ./
COPY docs docs
COPY examples examples
COPY lua lua
COPY configs configs
COPY notebooks notebooks
COPY labkit labkit
RUN /opt/labkit/bin/pip install --no-deps --force-reinstall .

FROM python:3.13.12-slim-trixie
COPY --from=build /opt/labkit /opt/labkit
ENV PATH=/opt/labkit/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --create-home --uid 10001 labkit
USER 10001
WORKDIR /home/labkit
ENTRYPOINT ["labkit"]
CMD ["--help"]
