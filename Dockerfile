# docker build -t captioner .
# docker build -t captioner --build-arg BASE=pytorch/pytorch:2.6.0-cuda12.4-cudnn9-runtime --build-arg TORCH_INDEX= .
# docker run --rm --gpus all -v "$PWD":/work captioner train own_photos data.root=mine
ARG BASE=python:3.12-slim
FROM ${BASE}
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.txt ./
# An image of PyTorch has torch and torchvision already, and TORCH_INDEX is empty.
RUN if [ -n "$TORCH_INDEX" ]; then pip install torch torchvision --index-url "$TORCH_INDEX"; fi && pip install -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY configs configs
COPY examples examples
COPY captioner captioner
RUN pip install --no-deps .
WORKDIR /work
ENTRYPOINT ["captioner"]
CMD ["--help"]
