"""The errors of Modal's Python client that the endpoint distinguishes, and which of them a code of gRPC becomes."""


class Error(Exception):
    pass


class AlreadyExistsError(Error):
    pass


class AuthError(Error):
    pass


class InternalError(Error):
    pass


class InvalidError(Error):
    pass


class ConflictError(InvalidError):
    pass


class NotFoundError(Error):
    pass


class PermissionDeniedError(Error):
    pass


class ResourceExhaustedError(Error):
    pass


class ServiceError(Error):
    pass


class RemoteError(Error):
    pass


class ImageBuildError(RemoteError):
    pass


class TimeoutError(Error):
    pass


OF_CODE = {
    "INVALID_ARGUMENT": InvalidError,
    "DEADLINE_EXCEEDED": ServiceError,
    "NOT_FOUND": NotFoundError,
    "ALREADY_EXISTS": AlreadyExistsError,
    "PERMISSION_DENIED": PermissionDeniedError,
    "RESOURCE_EXHAUSTED": ResourceExhaustedError,
    "FAILED_PRECONDITION": ConflictError,
    "UNAVAILABLE": ServiceError,
    "INTERNAL": InternalError,
    "UNAUTHENTICATED": AuthError,
}
