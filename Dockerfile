# The service and the workers, as one image. `docker build .` makes it for CPUs, `docker build --target cuda .` for
# NVIDIA GPUs. Run it as `serve` (the default) or as `worker --redis redis://…`.

# The addon and LibTorch for CPUs. One addon serves both builds of LibTorch.
FROM node:20-bookworm-slim AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates cmake g++ ninja-build python3 python3-pip \
 && rm -rf /var/lib/apt/lists/*
ENV XDG_CACHE_HOME=/opt/cache
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm install --ignore-scripts --no-audit --no-fund
COPY . .
# The last command finds LibTorch there and loads it with the addon: an image that cannot work is not made.
RUN npm run prepare && node dist/cli/main.js setup --cpu

# What runs, without what builds and tests: the package's own dependencies and those of serve and worker.
FROM build AS app
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /app
RUN cp /src/package.json /src/package-lock.json /src/.npmrc . \
 && peers=$(node -p "Object.entries(require('./package.json').peerDependencies).filter(([name]) => /fastify|typebox|prom-client|bullmq|ioredis/.test(name)).map(([name, version]) => name + '@' + version).join(' ')") \
 && npm pkg delete devDependencies peerDependencies peerDependenciesMeta \
 && echo "$peers" | xargs npm install --ignore-scripts --no-audit --no-fund \
 && mkdir build \
 && cp -R /src/build/Release build/ \
 && cp -R /src/dist /src/models .

FROM build AS libtorch-cuda
RUN node dist/cli/main.js setup --cuda

# LibTorch brings CUDA's libraries; the base image brings what the NVIDIA container toolkit asks for.
FROM nvidia/cuda:13.0.2-base-ubuntu24.04 AS cuda
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libstdc++6 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 clip-blip \
 && install --directory --owner=clip-blip /models
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=app /app /app
COPY --from=libtorch-cuda /opt/cache/clip-blip /opt/cache/clip-blip
ENV NODE_ENV=production XDG_CACHE_HOME=/opt/cache HF_HOME=/models
VOLUME /models
USER 10001
WORKDIR /home/clip-blip
EXPOSE 8001
HEALTHCHECK --start-period=30s CMD ["node", "-e", "fetch('http://127.0.0.1:8001/health/live').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["serve", "--host", "0.0.0.0"]

FROM node:20-bookworm-slim AS cpu
RUN useradd --create-home --uid 10001 clip-blip \
 && install --directory --owner=clip-blip /models
COPY --from=app /app /app
COPY --from=build /opt/cache/clip-blip /opt/cache/clip-blip
ENV NODE_ENV=production XDG_CACHE_HOME=/opt/cache HF_HOME=/models
VOLUME /models
USER 10001
WORKDIR /home/clip-blip
EXPOSE 8001
HEALTHCHECK --start-period=30s CMD ["node", "-e", "fetch('http://127.0.0.1:8001/health/live').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["serve", "--host", "0.0.0.0"]
