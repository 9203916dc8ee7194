from . import _call, _Method


@_Method
async def image_delete(image_id, *, client=None):
    _call("imageDelete", {"imageId": image_id})
