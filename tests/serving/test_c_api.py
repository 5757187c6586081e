"""A SavedModel is loaded and run by the C library, as programs without Python do it."""

import ctypes
import pathlib

import numpy as np
import tensorflow as tf


class Output(ctypes.Structure):
    """TF_Output of the C API."""

    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


def test_the_c_library_loads_and_runs_it(served, serve):
    folder = pathlib.Path(tf.sysconfig.get_lib())
    (library,) = [*folder.glob("libtensorflow_cc.so.2"), *folder.glob("libtensorflow_cc.2.dylib")]
    c, pointer = ctypes.CDLL(str(library)), ctypes.c_void_p
    for name in (
        "TF_NewStatus",
        "TF_NewGraph",
        "TF_NewSessionOptions",
        "TF_AllocateTensor",
        "TF_LoadSessionFromSavedModel",
        "TF_GraphOperationByName",
        "TF_TensorData",
    ):
        getattr(c, name).restype = pointer
    c.TF_Message.restype, c.TF_TensorByteSize.restype = ctypes.c_char_p, ctypes.c_size_t
    status, graph = pointer(c.TF_NewStatus()), pointer(c.TF_NewGraph())
    session = c.TF_LoadSessionFromSavedModel(
        pointer(c.TF_NewSessionOptions()),
        None,
        str(served.path).encode(),
        (ctypes.c_char_p * 1)(b"serve"),
        1,
        graph,
        None,
        status,
    )
    assert c.TF_GetCode(status) == 0, c.TF_Message(status)

    def end(info):
        name, _, index = info.name.partition(":")
        return Output(c.TF_GraphOperationByName(graph, name.encode()), int(index))

    z = np.random.default_rng(1).standard_normal((3, 2)).astype("f")
    sizes = (ctypes.c_int64 * z.ndim)(*z.shape)
    fed = pointer(c.TF_AllocateTensor(1, sizes, z.ndim, ctypes.c_size_t(z.nbytes)))
    ctypes.memmove(c.TF_TensorData(fed), z.tobytes(), z.nbytes)
    asked = serve.signatures["displacement"]
    answer = (pointer * 1)()
    c.TF_SessionRun(
        pointer(session),
        None,
        (Output * 1)(end(asked.inputs["z_geometry"])),
        (pointer * 1)(fed),
        1,
        (Output * 1)(end(asked.outputs["displacement"])),
        answer,
        1,
        None,
        0,
        None,
        status,
    )
    assert c.TF_GetCode(status) == 0, c.TF_Message(status)
    made = pointer(answer[0])
    found = np.frombuffer(ctypes.string_at(c.TF_TensorData(made), c.TF_TensorByteSize(made)), "f")
    wanted = served.model.part("geometry", tf.constant(z))
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-5)
    c.TF_DeleteSession(pointer(session), status)
