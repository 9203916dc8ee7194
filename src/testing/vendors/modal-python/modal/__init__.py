"""The part of Modal's Python client that rigger_modal.py uses, with the client's names and defaults. It makes the same calls
as the client, but of the stand-in's workspace (modal-cloud.ts), over HTTP. Methods have only their `.aio` form."""

import contextvars
import json
import os
import pickle
import re
import types
import urllib.error
import urllib.request

from . import exception

# The workspace that calls are for: the endpoint of each has processes of its own at Modal.
WORKSPACE = contextvars.ContextVar("WORKSPACE")


def _call(method, message):
    url = f"{os.environ['MODAL_CLOUD_URL']}/{WORKSPACE.get()}/{method}"
    try:
        with urllib.request.urlopen(url, json.dumps(message).encode()) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        said = json.load(error)
    error = exception.OF_CODE[said["code"]](said["details"])
    error.code = said["code"]
    raise error


class _Method:
    def __init__(self, function):
        self.aio = function

    def __get__(self, instance, _):
        return self if instance is None else types.SimpleNamespace(aio=self.aio.__get__(instance))


def _checked_name(name):
    if len(name) > 64 or not re.match("^[a-zA-Z0-9-_.]+$", name):
        raise exception.InvalidError(f"Invalid name: '{name}'.")
    return name


class Dict:
    _all = {}
    # The keys that were read or written by name lately.
    _used = set()

    def __init__(self, name):
        self._name = name

    @staticmethod
    def from_name(name, *, environment_name=None, create_if_missing=False, client=None):
        return Dict(_checked_name(name))

    @property
    def _items(self):
        return Dict._all.setdefault((WORKSPACE.get(), self._name), {})

    @staticmethod
    def _pass_week():
        """Removes what was not used since the last time, as Modal does after 7 days."""
        for (workspace, _), items in Dict._all.items():
            if workspace == WORKSPACE.get():
                for key in set(items) - Dict._used:
                    del items[key]
                Dict._used -= set(items)

    @_Method
    async def get(self, key, default=None):
        Dict._used.add(key)
        stored = self._items.get(key)
        return default if stored is None else pickle.loads(stored)

    @_Method
    async def put(self, key, value, *, skip_if_exists=False):
        Dict._used.add(key)
        if skip_if_exists:
            stored = pickle.dumps(value)
            return self._items.setdefault(key, stored) is stored
        self._items[key] = pickle.dumps(value)
        return True

    @_Method
    async def pop(self, key, default):
        stored = self._items.pop(key, None)
        return default if stored is None else pickle.loads(stored)

    @_Method
    async def keys(self):
        for key in list(self._items):
            yield key

    @_Method
    async def values(self):
        for stored in list(self._items.values()):
            yield pickle.loads(stored)


class Image:
    def __init__(self, object_id=None, commands=()):
        self.object_id = object_id
        self._commands = commands

    @staticmethod
    def debian_slim(python_version=None, force_build=False):
        return Image(commands=[f"FROM python:{python_version}-slim"])

    @staticmethod
    def from_registry(tag, secret=None, *, setup_dockerfile_commands=[], force_build=False, add_python=None):
        return Image(commands=[f"FROM {tag}"])

    @staticmethod
    def from_id(image_id, client=None):
        return Image(image_id)

    def _load(self, app_id):
        if self.object_id:
            _call("imageFromId", {"imageId": self.object_id})
            return self.object_id
        built = _call("imageGetOrCreate", {"appId": app_id, "image": {"dockerfileCommands": self._commands}})
        if built["result"]["status"] != 1:
            said = f"Image build for {built['imageId']} failed with the exception:\n{built['result']['exception']}"
            raise exception.ImageBuildError(said)
        return built["imageId"]


class Probe:
    def __init__(self, tcp_port, interval_ms):
        self._proto = {"tcpPort": tcp_port, "intervalMs": interval_ms}

    @classmethod
    def with_tcp(cls, port, *, interval_ms=100):
        return cls(port, interval_ms)


def _limits(value, scale, name, limit_name):
    """Returns a request for a resource, and its limit if there is one."""
    request, limit = value if isinstance(value, tuple) else (value, None)
    asked = {name: request, limit_name: limit}
    return {name: int(amount * scale) for name, amount in asked.items() if amount is not None}


def _network_access(block_network, cidrs, domains):
    if block_network:
        if cidrs is not None or domains is not None:
            raise exception.InvalidError("allowlists cannot be used when `block_network` is enabled")
        return {"networkAccessType": 2, "allowedCidrs": [], "allowedDomains": []}
    is_open = cidrs is None and domains is None
    return {
        "networkAccessType": 1 if is_open else 3,
        "allowedCidrs": list(cidrs or []),
        "allowedDomains": list(domains or []),
    }


class _Reader:
    def __init__(self, sandbox_id):
        self._sandbox_id = sandbox_id

    @_Method
    async def read(self):
        return _call("sandboxReadStderr", {"sandboxId": self._sandbox_id})["data"]


class Sandbox:
    def __init__(self, object_id, result=None):
        self.object_id = object_id
        self._result = result
        self.stderr = _Reader(object_id)

    @_Method
    async def create(
        *args,
        app=None,
        name=None,
        tags=None,
        image=None,
        env=None,
        timeout=300,
        region=None,
        cpu=None,
        memory=None,
        block_network=False,
        outbound_cidr_allowlist=None,
        outbound_domain_allowlist=None,
        readiness_probe=None,
    ):
        if not all(isinstance(arg, str) for arg in args):
            raise exception.InvalidError("All entrypoint arguments must be strings")
        if sum(len(arg) for arg in args) > 2**16:
            raise exception.InvalidError("Total length of CMD arguments cannot exceed 65536 bytes (ARG_MAX).")
        for text in [text for tag in (tags or {}).items() for text in tag]:
            if not re.match("^[a-zA-Z0-9._-]{1,63}$", text):
                raise exception.InvalidError(f"Invalid tag: {text!r}.")
        definition = {
            "name": _checked_name(name),
            "entrypointArgs": args,
            "imageId": image._load(app.app_id),
            "timeoutSecs": timeout,
            "resources": {
                **_limits(cpu, 1000, "milliCpu", "milliCpuMax"),
                **_limits(memory, 1, "memoryMb", "memoryMbMax"),
            },
            "networkAccess": _network_access(block_network, outbound_cidr_allowlist, outbound_domain_allowlist),
            "readinessProbe": readiness_probe and readiness_probe._proto,
        }
        if region:
            definition["schedulerPlacement"] = {"regions": [region] if isinstance(region, str) else list(region)}
        if env:
            secret = _call("secretGetOrCreate", {"envDict": env})
            definition["secretIds"] = [secret["secretId"]]
        tag_list = [{"tagName": tag, "tagValue": value} for tag, value in (tags or {}).items()]
        made = _call("sandboxCreate", {"appId": app.app_id, "definition": definition, "tags": tag_list})
        return Sandbox(made["sandboxId"])

    @_Method
    async def from_name(app_name, name, *, environment_name=None, client=None):
        return Sandbox(_call("sandboxGetFromName", {"appName": app_name, "sandboxName": name})["sandboxId"])

    @_Method
    async def from_id(sandbox_id, client=None):
        return Sandbox(sandbox_id, _call("sandboxWait", {"sandboxId": sandbox_id, "timeout": 0}).get("result"))

    @property
    def returncode(self):
        return self._result and {3: 137, 4: 124}.get(self._result["status"], self._result["exitcode"])

    @_Method
    async def poll(self):
        self._result = _call("sandboxWait", {"sandboxId": self.object_id, "timeout": 0}).get("result")
        return self.returncode

    @_Method
    async def wait_until_ready(self, *, timeout=300):
        try:
            _call("sandboxWaitUntilReady", {"taskId": self._task_id(), "timeout": timeout})
        except exception.ServiceError as error:
            if error.code != "DEADLINE_EXCEEDED":
                raise
            raise exception.TimeoutError(str(error)) from None

    @_Method
    async def create_connect_token(self, user_metadata=None, port=8080):
        made = _call("sandboxCreateConnectToken", {"sandboxId": self.object_id, "port": port})
        return types.SimpleNamespace(url=made["url"], token=made["token"])

    @_Method
    async def snapshot_filesystem(self, timeout=55, *, ttl=30 * 24 * 3600):
        made = _call("taskSnapshotFilesystem", {"taskId": self._task_id(), "ttlSeconds": -1 if ttl is None else ttl})
        return Image(made["imageId"])

    @_Method
    async def terminate(self, *, wait=False):
        _call("sandboxTerminate", {"sandboxId": self.object_id})
        while wait and self.returncode is None:
            self._result = _call("sandboxWait", {"sandboxId": self.object_id, "timeout": 10}).get("result")
        return self.returncode if wait else None

    def _task_id(self):
        return _call("sandboxGetTaskId", {"sandboxId": self.object_id})["taskId"]


class Period:
    def __init__(self, *, days=0):
        self.days = days


class App:
    def __init__(self, name, app_id=None):
        self.name = name
        self.app_id = app_id

    @_Method
    async def lookup(name, *, client=None, environment_name=None, create_if_missing=False):
        return App(name, _call("appGetOrCreate", {"appName": _checked_name(name)})["appId"])

    def function(self, *, image=None, schedule=None, timeout=300):
        return lambda function: function


def asgi_app(*, label=None, custom_domains=None, requires_proxy_auth=False):
    def mark(function):
        function.requires_proxy_auth = requires_proxy_auth
        return function

    return mark


def concurrent(*, max_inputs, target_inputs=None):
    return lambda function: function
