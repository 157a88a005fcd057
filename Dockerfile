# The project with all that it needs: docker build -t batchwise . && docker run --rm -it batchwise
FROM python:3.11-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make g++ \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /batchwise
COPY requirements.lock ./
RUN pip install --no-cache-dir --requirement requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .
CMD ["dvc", "repro"]
