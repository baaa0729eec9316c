//! Pickles of plain objects, written here: numbers, text and containers of them, as most arguments of small tasks are.
//!
//! Python's own pickler takes ten times as long for a list of one number, since it is set up anew for each task.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyNone, PyString, PyTuple};

/// Longer ones are left to Python's pickler, and so are deeper ones: objects that contain themselves end here.
const ITEMS_MAX: usize = 1000;
const DEPTH_MAX: usize = 8;

const PROTO: &[u8] = &[0x80, 5];
const MARK: u8 = b'(';
const FRAME: u8 = 0x95;
const MEMOIZE: u8 = 0x94;
const STOP: u8 = b'.';

/// Is it certainly so small that nobody needs to ask for its size?
pub fn is_small(object: &Bound<'_, PyAny>) -> bool {
    object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyBool>()
        || object.is_exact_instance_of::<PyNone>()
}

/// A list of the objects, pickled, if all of them are plain.
pub fn pickle_list(objects: &[Bound<'_, PyAny>]) -> Option<Vec<u8>> {
    let mut pickler = Pickler { out: PROTO.to_vec(), left: ITEMS_MAX };
    pickler.out.extend_from_slice(&[b']', MARK]);
    for object in objects {
        pickler.put(object, 0)?;
    }
    pickler.out.extend_from_slice(&[b'e', STOP]);
    Some(pickler.out)
}

/// A number, truth value, text or bytes of their own, pickled.
pub fn pickle_scalar(object: &Bound<'_, PyAny>) -> Option<Vec<u8>> {
    let plain = is_small(object)
        || object.cast_exact::<PyString>().is_ok_and(|text| text.len().is_ok_and(|len| len <= ITEMS_MAX))
        || object.cast_exact::<PyBytes>().is_ok_and(|bytes| bytes.as_bytes().len() <= ITEMS_MAX);
    if !plain {
        return None;
    }
    let mut pickler = Pickler { out: PROTO.to_vec(), left: 1 };
    pickler.put(object, 0)?;
    pickler.out.push(STOP);
    Some(pickler.out)
}

/// The object of a pickle that is nothing but a number, a truth value, text or bytes.
pub fn unpickle_scalar<'py>(py: Python<'py>, bytes: &[u8]) -> Option<Bound<'py, PyAny>> {
    let mut rest = bytes.strip_prefix(PROTO)?;
    if rest.first() == Some(&FRAME) {
        rest = rest.get(9..)?;
    }
    let rest = rest.strip_suffix(&[STOP])?;
    let (&code, rest) = rest.split_first()?;
    let text = |text: &[u8]| std::str::from_utf8(text).ok().map(|text| PyString::new(py, text).into_any());
    let int = |value: i64| value.into_pyobject(py).ok().map(Bound::into_any);
    match (code, rest) {
        (b'N', []) => Some(py.None().into_bound(py)),
        (0x88, []) => Some(PyBool::new(py, true).to_owned().into_any()),
        (0x89, []) => Some(PyBool::new(py, false).to_owned().into_any()),
        (b'K', [byte]) => int(i64::from(*byte)),
        (b'M', [low, high]) => int(i64::from(u16::from_le_bytes([*low, *high]))),
        (b'J', [a, b, c, d]) => int(i64::from(i32::from_le_bytes([*a, *b, *c, *d]))),
        (b'G', bytes) => Some(PyFloat::new(py, f64::from_be_bytes(bytes.try_into().ok()?)).into_any()),
        (0x8c, [len, rest @ ..]) => {
            let rest = if rest.len() == *len as usize + 1 { rest.strip_suffix(&[MEMOIZE])? } else { rest };
            (rest.len() == *len as usize).then(|| text(rest))?
        }
        _ => None,
    }
}

struct Pickler {
    out: Vec<u8>,
    left: usize,
}

impl Pickler {
    /// Nothing when the object is not plain.
    fn put(&mut self, object: &Bound<'_, PyAny>, depth: usize) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        if object.is_none() {
            self.out.push(b'N');
        } else if object.is_exact_instance_of::<PyBool>() {
            self.out.push(if object.is_truthy().ok()? { 0x88 } else { 0x89 });
        } else if object.is_exact_instance_of::<PyInt>() {
            self.put_int(object.extract().ok()?);
        } else if object.is_exact_instance_of::<PyFloat>() {
            self.out.push(b'G');
            self.out.extend_from_slice(&object.extract::<f64>().ok()?.to_be_bytes());
        } else if let Ok(text) = object.cast_exact::<PyString>() {
            // Lone surrogates have no UTF-8.
            let text = text.to_str().ok()?;
            self.put_sized(text.as_bytes(), 0x8c, b'X', 0x8d);
        } else if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            self.put_sized(bytes.as_bytes(), b'C', b'B', 0x8e);
        } else if depth < DEPTH_MAX {
            self.put_container(object, depth + 1)?;
        } else {
            return None;
        }
        Some(())
    }

    fn put_int(&mut self, value: i64) {
        if let Ok(byte) = u8::try_from(value) {
            self.out.extend_from_slice(&[b'K', byte]);
        } else if let Ok(value) = i32::try_from(value) {
            self.out.push(b'J');
            self.out.extend_from_slice(&value.to_le_bytes());
        } else {
            self.out.extend_from_slice(&[0x8a, 8]);
            self.out.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// Bytes after one of three opcodes, by the width of their length.
    fn put_sized(&mut self, bytes: &[u8], short: u8, medium: u8, long: u8) {
        if let Ok(len) = u8::try_from(bytes.len()) {
            self.out.extend_from_slice(&[short, len]);
        } else if let Ok(len) = u32::try_from(bytes.len()) {
            self.out.push(medium);
            self.out.extend_from_slice(&len.to_le_bytes());
        } else {
            self.out.push(long);
            self.out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        }
        self.out.extend_from_slice(bytes);
    }

    fn put_container(&mut self, object: &Bound<'_, PyAny>, depth: usize) -> Option<()> {
        if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            self.out.push(MARK);
            for item in tuple.iter() {
                self.put(&item, depth)?;
            }
            self.out.push(b't');
        } else if let Ok(list) = object.cast_exact::<PyList>() {
            self.out.extend_from_slice(&[b']', MARK]);
            for item in list.iter() {
                self.put(&item, depth)?;
            }
            self.out.push(b'e');
        } else {
            let dict = object.cast_exact::<PyDict>().ok()?;
            self.out.extend_from_slice(&[b'}', MARK]);
            for (key, value) in dict.iter() {
                self.put(&key, depth)?;
                self.put(&value, depth)?;
            }
            self.out.push(b'u');
        }
        Some(())
    }
}
