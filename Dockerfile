# syntax=docker/dockerfile:1

FROM python:3.13-slim AS build
RUN python -m venv /venv
COPY requirements.lock .
RUN /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

FROM python:3.13-slim
RUN useradd --system --no-create-home roomlog && install -d -m 700 -o roomlog /data
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py openapi.yaml asyncapi.yaml ./
COPY foundation foundation
COPY accounts accounts
COPY rooms rooms
COPY messaging messaging
COPY api api
COPY config config
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data LOG_FORMAT=json
USER roomlog
# Holds the generated secret key, and the SQLite database if DATABASE_URL is not set.
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=30s --interval=10s --timeout=3s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
# Set ALLOWED_HOSTS to the host names of your server.
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--port", "8000"]
