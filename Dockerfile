# The operator's image: `make image IMAGE=…`. It runs as nobody, on a file system that nobody writes to.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
WORKDIR /src
RUN python -m venv /opt/aiokai
COPY pyproject.toml requirements.lock ./
# The versions of the lock file; what only developers need is not asked for, and so not installed.
RUN sed -E '/^ +(--hash|#)/d; s/ *\\$//' requirements.lock > constraints.txt \
 && python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > wanted.txt \
 && /opt/aiokai/bin/pip install --no-cache-dir --disable-pip-version-check -r wanted.txt -c constraints.txt
COPY README.md ./
COPY aiokai aiokai
COPY crds crds
COPY examples examples
RUN /opt/aiokai/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps . \
 && /opt/aiokai/bin/pip uninstall -q -y pip setuptools
# The kernels, for any processor of this architecture.
RUN AIOKAI_CACHE=/opt/aiokai/kernels NUMBA_CPU_NAME=generic /opt/aiokai/bin/aiokai warm-up

FROM ${BASE}
COPY --from=build /opt/aiokai /opt/aiokai
# HOME: the Kubernetes library looks for one when it is loaded, and nobody has none.
ENV PATH=/opt/aiokai/bin:/usr/local/bin:/usr/bin:/bin \
    AIOKAI_KERNELS=/opt/aiokai/kernels \
    AIOKAI_CACHE=/var/cache/aiokai \
    NUMBA_CPU_NAME=generic \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN install -d -o 65532 -g 65532 /var/cache/aiokai
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["aiokai"]
CMD ["operator"]
