# The base install, without TensorFlow, for machines that only predict; docs/deployment.md shows how to run it.
#   docker build --tag forecast .

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY forecaster forecaster
# The environment gets no pip. Bytecode is compiled here: the user of the last stage cannot write it.
RUN python -m venv --without-pip /opt/forecast \
    && python -m pip --python /opt/forecast/bin/python install --no-cache-dir --constraint constraints.txt .

FROM python:${PYTHON}-slim
RUN useradd --create-home --uid 1000 forecast
COPY --from=build /opt/forecast /opt/forecast
ENV PATH=/opt/forecast/bin:$PATH PYTHONUNBUFFERED=1 MPLCONFIGDIR=/tmp/matplotlib
USER forecast
WORKDIR /data
ENTRYPOINT ["forecast"]
CMD ["--help"]
