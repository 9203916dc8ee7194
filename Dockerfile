# The container of a session: Cloudflare's sandbox image, programs for agents, Claude Code, and the runner of
# src/container.
FROM docker.io/cloudflare/sandbox:0.12.10 AS runner
COPY src/container /src
# As CommonJS, the runner loads modules of Node when it needs them.
RUN bun build /src/run.ts --target=node --format=cjs --outfile=/runner/run.cjs \
 && cp /src/rigger-* /runner && chmod +x /runner/rigger-*

FROM docker.io/cloudflare/sandbox:0.12.10
RUN apt-get update \
 && apt-get install -y --no-install-recommends git ripgrep python3 python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --shell /bin/bash agent \
 && chown agent /workspace
# Commands run as root and Claude Code as agent, in the same repositories.
RUN git config --system safe.directory '*'
# Claude Code is licensed by Anthropic under its own terms. It is installed here and is not part of this project.
RUN npm install --global @anthropic-ai/claude-code@2.1.330
# The image's server keeps interpreters ready that Rigger does not use: six of them hold 78 of its 94 MB.
ENV JAVASCRIPT_POOL_MIN_SIZE=0 TYPESCRIPT_POOL_MIN_SIZE=0
COPY --from=runner /runner /opt/rigger
RUN ln -s /opt/rigger/rigger-run /usr/local/bin/rigger-run
# The port by which servers in the container are reached: see src/container/ports.ts. Only `wrangler dev` has to know it.
EXPOSE 28080
# The image's own entry point, below a first process that reaps, and tells the session before it stops.
ENTRYPOINT ["/opt/rigger/rigger-init", "--container", "/container-server/sandbox"]
