"""Machines of Rigger on Modal: a web endpoint for one workspace. Modal's own API speaks gRPC only, which a Worker can't.

    pip install "modal>=1.5.4,<2" && modal setup
    modal deploy src/sandbox/modal/rigger_modal.py

Its address is MODAL_ENDPOINT_URL, and a proxy auth token of the workspace MODAL_KEY and MODAL_SECRET: Modal lets no other
request in.

    POST   /machines                makes a machine, or starts the one that its sandbox has
    GET    /machines?deployment=…   lists a deployment's, or one sandbox's (&sandbox=…), from &after=… on
    GET    /machines/<id>           404 if it is gone, and with it its files
    POST   /machines/<id>/suspend   keeps its files as an image, and ends it
    POST   /machines/<id>/resume    starts it anew with these files
    DELETE /machines/<id>           ends it, and forgets its files

A machine is a named sandbox of Modal that runs src/container/serve.ts. Its record in a Dict outlives it. Every request may
be repeated, and may end half-way: the next one goes on from there.
"""

import asyncio
import hashlib
import ipaddress
import json
import re
import secrets
import time
from urllib.parse import parse_qs

import modal
import modal.exception
import modal.experimental

# The machines are in an app of their own, so that a new version of the endpoint does not end them.
MACHINES_APP = "rigger-machines"
RECORDS = "rigger-machines"
DEFAULT_IMAGE = "node:24-bookworm"
# The one that connect tokens are for.
PORT = 8080
# The longest life that Modal gives a sandbox, in seconds.
LIFETIME = 24 * 60 * 60
# Modal cuts off a request after 150 seconds.
READY_TIMEOUT = 100
SNAPSHOT_TIMEOUT = 100
# How long Modal keeps the files of a suspended machine, in seconds. Rigger has saved the workspace elsewhere.
SNAPSHOT_TTL = 30 * 24 * 60 * 60
PAGE = 50
MAX_BODY = 1024 * 1024
ENTRYPOINT = (
    "set -e; mkdir -p /opt/rigger; printf %s \"$1\" | base64 -d | tar -xzf - -C /opt/rigger; cd /; "
    "exec /opt/rigger/rigger-init node /opt/rigger/serve.cjs"
)


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


GONE = "there is no such machine"


class Cloud:
    """What the endpoint asks of Modal."""

    def __init__(self):
        self.records = modal.Dict.from_name(RECORDS, create_if_missing=True)

    async def create(self, machine, runner, idle_ms):
        """Makes the sandbox of a machine. Raises modal.exception.AlreadyExistsError if it has one."""
        options = machine["options"]
        cpus, memory = options.get("cpus"), options.get("memoryMb")
        image = (
            modal.Image.from_id(machine["images"][-1])
            if machine["images"]
            else modal.Image.from_registry(options.get("image") or DEFAULT_IMAGE)
        )
        return await modal.Sandbox.create.aio(
            "bash",
            "-c",
            ENTRYPOINT,
            "rigger",
            runner,
            app=await modal.App.lookup.aio(MACHINES_APP, create_if_missing=True),
            name=machine["name"],
            tags={name: tag_of(machine[name]) for name in ("deployment", "sandbox")},
            image=image,
            env={"RIGGER_TOKEN": machine["token"], "RIGGER_IDLE_MS": str(idle_ms)},
            timeout=LIFETIME,
            region=options.get("region"),
            cpu=None if cpus is None else (cpus, cpus),
            memory=None if memory is None else (memory, memory),
            readiness_probe=modal.Probe.with_tcp(PORT),
            **allowlists(machine["hosts"]),
        )

    async def named(self, name):
        """Returns the running sandbox with a name; None if there is none."""
        try:
            return await modal.Sandbox.from_name.aio(MACHINES_APP, name)
        except modal.exception.NotFoundError:
            return None

    async def running(self, sandbox_id):
        """Returns a sandbox by Modal's id; None if it has ended."""
        if sandbox_id is None:
            return None
        try:
            sandbox = await modal.Sandbox.from_id.aio(sandbox_id)
        except modal.exception.NotFoundError:
            return None
        return sandbox if sandbox.returncode is None else None

    async def wait_until_ready(self, sandbox):
        """Waits until the server in a sandbox listens. Refuses with what it has said if it has ended instead."""
        try:
            await sandbox.wait_until_ready.aio(timeout=READY_TIMEOUT)
        except modal.exception.Error:
            code = await sandbox.poll.aio()
            if code is None:
                raise
            said = (await sandbox.stderr.read.aio()).strip()[-300:]
            message = f"the machine's image needs node, perl, bash, base64 and tar: it ended with {code}: {said}"
            raise Refusal(422, message) from None

    async def connect(self, sandbox):
        """Returns the address of the server in a sandbox, and the token by which Modal lets requests through to it."""
        credentials = await sandbox.create_connect_token.aio(port=PORT)
        return credentials.url, credentials.token

    async def snapshot(self, sandbox):
        """Keeps the files of a sandbox. Returns the id of their image."""
        image = await sandbox.snapshot_filesystem.aio(timeout=SNAPSHOT_TIMEOUT, ttl=SNAPSHOT_TTL)
        return image.object_id

    async def terminate(self, sandbox):
        """Ends a sandbox, and returns once it has ended."""
        if sandbox is not None:
            await sandbox.terminate.aio(wait=True)

    async def forget(self, image_id):
        """Deletes an image. Does nothing if it is gone."""
        try:
            await modal.experimental.image_delete.aio(image_id)
        except (modal.exception.NotFoundError, modal.exception.ConflictError):
            pass


def allowlists(hosts):
    """Returns the arguments for a sandbox that reaches these hosts: by name over TLS on port 443, by address on any port."""
    if hosts == "open":
        return {}
    # Not `block_network`: such a sandbox might not be reached itself. An empty list blocks all too.
    cidrs, domains = [], []
    for host in hosts:
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            domains.append(host)
        else:
            cidrs.append(f"{address}/{address.max_prefixlen}")
    return {"outbound_cidr_allowlist": cidrs, "outbound_domain_allowlist": domains}


def tag_of(label):
    """Returns a label as a tag of a sandbox, for people who look at them."""
    return re.sub("[^a-zA-Z0-9._-]", "-", label)[:63]


class Machines:
    """The machines. A record's `state` is "suspended" unless its sandbox is known to run."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.records = cloud.records

    async def create(self, asked):
        """Makes a sandbox's machine. There is one at a time, whose name follows from the labels: a repeat finds it."""
        name, now = name_of(asked["deployment"], asked["sandbox"]), int(time.time() * 1000)
        machine = {
            "name": name,
            "id": f"{name}.{now}",
            **{key: asked[key] for key in ("deployment", "sandbox", "options", "hosts")},
            "createdAt": now,
            # Asked for by the server in the machine, besides Modal's own token.
            "token": secrets.token_urlsafe(32),
            "state": "suspended",
            # Modal's id of its sandbox, or of the one that it had when it was suspended.
            "object": None,
            # The files when it was suspended, the latest last. A later one may build on an earlier one.
            "images": [],
        }
        if not await self.records.put.aio(name, machine, skip_if_exists=True):
            earlier = await self.records.get.aio(name)
            if earlier and earlier["state"] == "suspended":
                machine = earlier
            elif shown := earlier and await self.shown(earlier):
                return shown
            else:
                await self.records.put.aio(name, machine)
        return await self.start(machine, asked)

    async def find(self, deployment, sandbox):
        machine = await self.records.get.aio(name_of(deployment, sandbox))
        shown = machine and await self.shown(machine)
        return {"machines": [shown] if shown else [], "next": None}

    async def list(self, deployment, after):
        found = []
        async for machine in self.records.values.aio():
            if machine["deployment"] == deployment and machine["id"] > after:
                found.append(machine)
        found.sort(key=lambda machine: machine["id"])
        page = found[:PAGE]
        shown = await asyncio.gather(*(self.shown(machine) for machine in page))
        return {
            "machines": [machine for machine in shown if machine],
            "next": page[-1]["id"] if len(found) > PAGE else None,
        }

    async def get(self, machine_id):
        shown = await self.shown(await self.record(machine_id))
        if not shown:
            raise Refusal(404, GONE)
        return shown

    async def suspend(self, machine_id):
        machine = await self.record(machine_id)
        sandbox = await self.cloud.running(machine["object"])
        if machine["state"] == "running":
            if not sandbox:
                await self.remove(machine)
                raise Refusal(404, GONE)
            image_id = await self.cloud.snapshot(sandbox)
            suspended = {**machine, "state": "suspended", "images": [*machine["images"], image_id]}
            await self.records.put.aio(machine["name"], suspended)
        await self.cloud.terminate(sandbox)

    async def resume(self, machine_id, asked):
        machine = await self.record(machine_id)
        return await (self.get(machine_id) if machine["state"] == "running" else self.start(machine, asked))

    async def destroy(self, machine_id):
        await self.remove(await self.record(machine_id))

    async def start(self, machine, asked):
        """Makes sure that a machine runs, with its latest files and the present runner. Returns it."""
        try:
            sandbox = await self.sandbox_for(machine, asked["runner"], asked["idleMs"])
            await self.cloud.wait_until_ready(sandbox)
        except (Refusal, modal.exception.Error) as error:
            missing = isinstance(error, modal.exception.NotFoundError)
            # What can never start is not kept, unless it has files.
            if status_of(error) == 422 and (missing or not machine["images"]):
                await self.remove(machine)
            if missing and machine["images"]:
                raise Refusal(404, "the files of the machine are gone") from error
            raise
        machine = {**machine, "state": "running", "object": sandbox.object_id}
        await self.records.put.aio(machine["name"], machine)
        return await self.shown(machine)

    async def sandbox_for(self, machine, runner, idle_ms):
        """Returns the running sandbox of a machine: a new one, or the one that an earlier request has made."""
        try:
            return await self.cloud.create(machine, runner, idle_ms)
        except modal.exception.AlreadyExistsError:
            sandbox = await self.cloud.named(machine["name"])
        if machine["state"] == "suspended" and sandbox and sandbox.object_id == machine["object"]:
            # Its suspension was cut off after its files were kept.
            await self.cloud.terminate(sandbox)
            sandbox = None
        return sandbox or await self.cloud.create(machine, runner, idle_ms)

    async def shown(self, machine):
        """Returns a machine as the Worker sees it; None if it is gone."""
        shown = {key: machine[key] for key in ("id", "sandbox", "state", "createdAt")}
        if machine["state"] == "suspended":
            return shown
        sandbox = await self.cloud.running(machine["object"])
        if not sandbox:
            # It may have been suspended, or started anew, since its record was read.
            now = await self.records.get.aio(machine["name"])
            if now != machine:
                return await self.shown(now) if now and now["id"] == machine["id"] else None
            await self.remove(machine)
            return None
        url, connect_token = await self.cloud.connect(sandbox)
        return {**shown, "url": url, "connectToken": connect_token, "token": machine["token"]}

    async def record(self, machine_id):
        """Returns the record of a machine. A later machine of its sandbox is another one."""
        machine = await self.records.get.aio(machine_id.partition(".")[0])
        if not machine or machine["id"] != machine_id:
            raise Refusal(404, GONE)
        return machine

    async def remove(self, machine):
        """Ends all of a machine. Its record goes last, so that it is found as long as something of it is left."""
        await self.cloud.terminate(await self.cloud.named(machine["name"]))
        await self.cloud.terminate(await self.cloud.running(machine["object"]))
        for image_id in machine["images"]:
            await self.cloud.forget(image_id)
        await self.records.pop.aio(machine["name"], None)

    async def touch(self):
        """Reads all records: Modal deletes one that nobody has read or written for 7 days."""
        names = [name async for name in self.records.keys.aio()]
        for name in names:
            await self.records.get.aio(name)


def name_of(deployment, sandbox):
    return "rigger-" + hashlib.sha256(f"{deployment}\n{sandbox}".encode()).hexdigest()[:40]


def status_of(error):
    """Returns the status of an answer that tells of an error."""
    if isinstance(error, Refusal):
        return error.status
    known = modal.exception
    statuses = [
        (known.ResourceExhaustedError, 429),
        (known.ConflictError, 409),
        ((known.InvalidError, known.ImageBuildError, known.NotFoundError), 422),
        ((known.AuthError, known.PermissionDeniedError), 403),
        (known.TimeoutError, 504),
    ]
    for kind, status in statuses:
        if isinstance(error, kind):
            return status
    return 502


NEW = {"deployment": str, "sandbox": str, "options": dict, "hosts": (str, list)}
START = {"runner": str, "idleMs": (int, float)}


def checked(asked, kinds):
    """Returns what a request gives, which needs these names."""
    for name, kind in kinds.items():
        if not isinstance(asked, dict) or not isinstance(asked.get(name), kind):
            raise Refusal(400, f"the request needs {name}")
    return asked


async def answer(machines, method, path, query, body):
    """Answers a request. Returns what is sent as JSON; None for an empty answer."""
    match method, path:
        case "POST", ["machines"]:
            return await machines.create(checked(body, {**NEW, **START}))
        case "GET", ["machines"]:
            deployment = checked(query, {"deployment": str})["deployment"]
            if "sandbox" in query:
                return await machines.find(deployment, query["sandbox"])
            return await machines.list(deployment, query.get("after", ""))
        case "GET", ["machines", machine_id]:
            return await machines.get(machine_id)
        case "DELETE", ["machines", machine_id]:
            return await machines.destroy(machine_id)
        case "POST", ["machines", machine_id, "suspend"]:
            return await machines.suspend(machine_id)
        case "POST", ["machines", machine_id, "resume"]:
            return await machines.resume(machine_id, checked(body, START))
    raise Refusal(404, "there is no such path")


def web_app(machines):
    """Returns the ASGI application."""

    async def respond(scope, body):
        try:
            if len(body) > MAX_BODY:
                raise Refusal(413, "the request is too long")
            query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
            path = scope["path"].strip("/").split("/")
            try:
                asked = json.loads(body or b"null")
            except ValueError:
                raise Refusal(400, "the request is no JSON") from None
            return 200, await answer(machines, scope["method"], path, query, asked)
        except (Refusal, modal.exception.Error) as error:
            return status_of(error), {"message": str(error) or type(error).__name__}

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                event = (await receive())["type"]
                await send({"type": f"{event}.complete"})
                if event == "lifespan.shutdown":
                    return
        body, more = b"", True
        while more and len(body) <= MAX_BODY:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        status, said = await respond(scope, body)
        if said is None:
            status, content = 204, b""
        else:
            content = json.dumps(said).encode()
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    return app


app = modal.App("rigger")
image = modal.Image.debian_slim(python_version="3.12")


# The first start from an image waits until Modal has built it, also if nobody waits for the answer.
@app.function(image=image, timeout=600)
@modal.concurrent(max_inputs=100)
@modal.asgi_app(requires_proxy_auth=True)
def machines():
    return web_app(Machines(Cloud()))


@app.function(image=image, schedule=modal.Period(days=1), timeout=3600)
async def keep_records():
    await Machines(Cloud()).touch()
