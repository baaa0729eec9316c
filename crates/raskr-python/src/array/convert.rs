//! Chunks as NumPy arrays and back, without copies; element types as NumPy's.
// `unsafe` is allowed here: arrays are made over, and borrowed from, raw memory through NumPy's C interface.
#![allow(unsafe_code)]

use std::any::Any;
use std::sync::Arc;

use numpy::npyffi::{self, NPY_ARRAY_WRITEABLE, NpyTypes, PY_ARRAY_API, npy_intp};
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use raskr_array::ElementType;
use raskr_array::expr::ForeignType;
use raskr_base::{Buffer, Chunk, DType, TimeUnit, Value};

use crate::object::PyForeign;

/// Keeps a chunk's memory alive for the NumPy array that shows it.
#[pyclass(frozen, module = "raskr._core")]
pub struct Memory {
    buffer: Arc<Buffer>,
}

/// Keeps a Python object alive for a buffer that borrows its memory.
struct Keep(#[allow(dead_code)] Py<PyAny>);

/// NumPy's element type for a native one.
pub fn numpy_dtype<'py>(py: Python<'py>, dtype: DType) -> PyResult<Bound<'py, PyArrayDescr>> {
    static KNOWN: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
    let known = KNOWN.get_or_init(py, || PyDict::new(py).unbind()).bind(py);
    let name = dtype.to_string();
    if let Some(found) = known.get_item(&name)? {
        return Ok(found.cast_into::<PyArrayDescr>()?);
    }
    let made = PyArrayDescr::new(py, name.as_str())?;
    known.set_item(&name, &made)?;
    Ok(made)
}

/// The native element type of NumPy's, or `None` when raskr leaves it to NumPy.
pub fn native_dtype(descr: &Bound<'_, PyArrayDescr>) -> PyResult<Option<DType>> {
    if descr.byteorder() == b'>' || (cfg!(target_endian = "big") && descr.byteorder() == b'<') {
        return Ok(None);
    }
    let dtype = match (descr.kind(), descr.itemsize()) {
        (b'b', 1) => DType::Bool,
        (b'i', 1) => DType::I8,
        (b'i', 2) => DType::I16,
        (b'i', 4) => DType::I32,
        (b'i', 8) => DType::I64,
        (b'u', 1) => DType::U8,
        (b'u', 2) => DType::U16,
        (b'u', 4) => DType::U32,
        (b'u', 8) => DType::U64,
        (b'f', 2) => DType::F16,
        (b'f', 4) => DType::F32,
        (b'f', 8) => DType::F64,
        (b'c', 8) => DType::C64,
        (b'c', 16) => DType::C128,
        (kind @ (b'M' | b'm'), 8) => {
            let py = descr.py();
            let (unit, count): (String, i64) =
                py.import(intern!(py, "numpy"))?.call_method1(intern!(py, "datetime_data"), (descr,))?.extract()?;
            let unit = if unit == "generic" { Some(TimeUnit::Generic) } else { TimeUnit::from_code(&unit) };
            match unit {
                Some(unit) if count == 1 => {
                    if kind == b'M' {
                        DType::DateTime(unit)
                    } else {
                        DType::TimeDelta(unit)
                    }
                }
                _ => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(dtype))
}

/// Any Python object that NumPy takes as an element type.
pub fn element_type(object: &Bound<'_, PyAny>) -> PyResult<ElementType> {
    let descr = match object.cast::<PyArrayDescr>() {
        Ok(descr) => descr.clone(),
        Err(_) => PyArrayDescr::new(object.py(), object.clone())?,
    };
    if let Some(dtype) = native_dtype(&descr)? {
        return Ok(ElementType::Native(dtype));
    }
    let name = descr.str()?.to_string();
    let itemsize = descr.itemsize();
    Ok(ElementType::Foreign(Arc::new(ForeignType { name, itemsize, handle: Arc::new(descr.into_any().unbind()) })))
}

pub fn element_to_python<'py>(py: Python<'py>, element: &ElementType) -> PyResult<Bound<'py, PyAny>> {
    match element {
        ElementType::Native(dtype) => Ok(numpy_dtype(py, *dtype)?.into_any()),
        ElementType::Foreign(foreign) => match foreign.handle.downcast_ref::<Py<PyAny>>() {
            Some(descr) => Ok(descr.bind(py).clone()),
            None => Err(PyTypeError::new_err(format!("{} is no NumPy element type", foreign.name))),
        },
    }
}

/// The native element type that was asked for, or an error that names what came.
pub fn native_of(object: &Bound<'_, PyAny>, operation: &str) -> PyResult<DType> {
    element_type(object)?
        .native()
        .ok_or_else(|| PyTypeError::new_err(format!("{operation}: expected a native element type, got {object}")))
}

/// A NumPy array over the chunk's memory. It may be written to where the memory is raskr's own or its owner lets one.
pub fn chunk_to_numpy<'py>(py: Python<'py>, chunk: &Chunk) -> PyResult<Bound<'py, PyAny>> {
    let itemsize = chunk.dtype().itemsize() as isize;
    let mut dims: Vec<npy_intp> = chunk.shape().iter().map(|n| *n as npy_intp).collect();
    let mut strides: Vec<npy_intp> = chunk.strides().iter().map(|s| s * itemsize).collect();
    let overlaps = chunk.shape().iter().zip(chunk.strides()).any(|(n, s)| *n > 1 && *s == 0);
    let flags = if chunk.buffer().is_writable() && !overlaps { NPY_ARRAY_WRITEABLE } else { 0 };
    let descr = numpy_dtype(py, chunk.dtype())?;
    let keep = Bound::new(py, Memory { buffer: Arc::clone(chunk.buffer()) })?;
    // SAFETY: dims and strides describe memory inside the chunk's buffer, which `keep` holds as the array's base;
    // NewFromDescr takes over the reference to the descriptor, SetBaseObject that to `keep`.
    unsafe {
        let array = PY_ARRAY_API.PyArray_NewFromDescr(
            py,
            npyffi::get_type_object(py, NpyTypes::PyArray_Type),
            descr.into_dtype_ptr(),
            dims.len() as i32,
            dims.as_mut_ptr(),
            strides.as_mut_ptr(),
            chunk.as_ptr().cast_mut().cast(),
            flags,
            std::ptr::null_mut(),
        );
        let array = Bound::from_owned_ptr_or_err(py, array)?;
        if PY_ARRAY_API.PyArray_SetBaseObject(py, array.as_ptr().cast(), keep.into_ptr()) < 0 {
            return Err(PyErr::fetch(py));
        }
        Ok(array)
    }
}

/// The array's memory as a chunk; `None` for subclasses, foreign element types and memory that isn't aligned.
pub fn numpy_to_chunk(object: &Bound<'_, PyAny>) -> PyResult<Option<Chunk>> {
    use pyo3::PyTypeInfo;
    let py = object.py();
    if object.get_type_ptr() != PyUntypedArray::type_object_raw(py) {
        return Ok(None);
    }
    let array = object.cast::<PyUntypedArray>()?;
    let Some(dtype) = native_dtype(&array.dtype())? else { return Ok(None) };
    let itemsize = dtype.itemsize();
    let shape = array.shape();
    let mut strides: Vec<isize> = Vec::with_capacity(shape.len());
    let (mut low, mut high) = (0isize, 0isize);
    let empty = shape.contains(&0);
    for (n, stride) in shape.iter().zip(array.strides()) {
        // The stride of an axis of one element says nothing; NumPy leaves odd values there.
        let stride = if *n <= 1 { 0 } else { *stride };
        if stride % itemsize as isize != 0 {
            return Ok(None);
        }
        strides.push(stride / itemsize as isize);
        let span = (*n as isize - 1).max(0) * stride;
        if span < 0 { low += span } else { high += span }
    }
    // SAFETY: `object` is an array, checked above; reading its fields is what these macros do.
    let (data, writable) = unsafe {
        let raw = array.as_array_ptr();
        ((*raw).fields.data.cast::<u8>().cast_const(), (*raw).fields.flags & NPY_ARRAY_WRITEABLE != 0)
    };
    if empty {
        let buffer = Arc::new(Buffer::zeroed(0));
        return Ok(Chunk::from_parts(dtype, shape, &raskr_base::chunk::contiguous_strides(shape), 0, buffer));
    }
    if let Some(chunk) = own_memory(array, dtype, shape, &strides, data)? {
        return Ok(Some(chunk));
    }
    let start = data.wrapping_offset(low);
    let len = (high - low) as usize + itemsize;
    let keep: Box<dyn Any + Send + Sync> = Box::new(Keep(object.clone().unbind()));
    // SAFETY: an array's elements lie between its lowest and highest reach, and live as long as the array, which is kept.
    // Python code may still write to them; readers then see old or new elements, as with NumPy itself.
    let buffer = unsafe { Buffer::borrowed(start, len, writable, keep) };
    Ok(Chunk::from_parts(dtype, shape, &strides, low.unsigned_abs() / itemsize, Arc::new(buffer)))
}

/// The chunk that an array shows, when its memory came from raskr: the buffer is shared instead of borrowed.
fn own_memory(
    array: &Bound<'_, PyUntypedArray>,
    dtype: DType,
    shape: &[usize],
    strides: &[isize],
    data: *const u8,
) -> PyResult<Option<Chunk>> {
    let base = array.getattr(intern!(array.py(), "base"))?;
    let Ok(memory) = base.cast::<Memory>() else { return Ok(None) };
    let buffer = &memory.get().buffer;
    let offset = (data as usize).wrapping_sub(buffer.as_ptr() as usize);
    if !offset.is_multiple_of(dtype.itemsize()) {
        return Ok(None);
    }
    Ok(Chunk::from_parts(dtype, shape, strides, offset / dtype.itemsize(), Arc::clone(buffer)))
}

/// The array's elements in memory without gaps, each where its type may lie: a copy unless they are so already.
fn in_order<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    // C order, aligned, a plain array.
    py.import(intern!(py, "numpy"))?.call_method1(intern!(py, "require"), (object, py.None(), "CAE"))
}

/// A copy of the array's elements in memory of raskr's own, when it is of a native element type.
pub fn copied(object: &Bound<'_, PyAny>) -> PyResult<Option<Chunk>> {
    numpy_to_chunk(&in_order(object)?)
}

/// A block that a Python function gave: a native chunk where that was declared and it is a plain array.
pub fn block_value(object: Bound<'_, PyAny>, native: bool) -> PyResult<Value> {
    if !native {
        return Ok(PyForeign::value(object));
    }
    if let Some(chunk) = numpy_to_chunk(&object)? {
        return Ok(Value::Chunk(chunk));
    }
    let py = object.py();
    let kind = object.get_type();
    let plain = object.is_instance_of::<pyo3::types::PyFloat>()
        || object.is_instance_of::<pyo3::types::PyInt>()
        || object.is_instance_of::<pyo3::types::PyComplex>()
        || object.is_instance_of::<pyo3::types::PyList>()
        || object.is_instance_of::<pyo3::types::PyTuple>()
        || !kind.hasattr(intern!(py, "__array_function__"))?;
    if plain || object.is_exact_instance_of::<PyUntypedArray>() {
        let array = in_order(&object)?;
        if let Some(chunk) = numpy_to_chunk(&array)? {
            return Ok(Value::Chunk(chunk));
        }
        return Ok(PyForeign::value(array));
    }
    Ok(PyForeign::value(object))
}

/// Is NumPy's C interface there? Loads it, so that failures show at import.
pub fn check_numpy(py: Python<'_>) -> PyResult<()> {
    py.import(intern!(py, "numpy"))?;
    // SAFETY: loading the table of functions has no preconditions beyond holding the interpreter.
    let version = unsafe { PY_ARRAY_API.PyArray_GetNDArrayCFeatureVersion(py) };
    if version == 0 {
        return Err(PyTypeError::new_err("NumPy's C interface can't be loaded"));
    }
    let _ = npyffi::NPY_ARRAY_ALIGNED;
    Ok(())
}
